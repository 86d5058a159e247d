package daemon

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"aes67os/driver"
	"aes67os/driver/fake"
	"aes67os/driver/process"
	"aes67os/driver/ravenna"
	"aes67os/driver/userspace"
	"aes67os/driver/userspace/realtime"
)

// chooseDriver returns the driver of that name. "auto" is the RAVENNA kernel module if
// that is loaded now, and goes on being it if it is unloaded for a while; otherwise it is the
// driver that needs none.
func chooseDriver(name string, log *slog.Logger) (driver.Driver, error) {
	if name == "auto" {
		name = "userspace"
		if ravenna.Loaded() {
			name = "ravenna"
		}
		log.Info("the audio driver is chosen", "driver", name)
	}
	switch name {
	case "ravenna":
		return ravenna.New(log), nil
	case "userspace":
		return process.New(name, func() (process.Engine, error) { return startEngine(log) }, log), nil
	case "fake":
		log.Warn("the fake driver is in use: streams are announced, but no audio moves")
		return fake.New(), nil
	}
	return nil, fmt.Errorf("there is no driver %q, only auto, ravenna, userspace and fake", name)
}

// EngineCommand is the argument by which the program is the userspace driver's engine.
const EngineCommand = "engine"

// startEngine starts this program once more, as the engine.
func startEngine(log *slog.Logger) (process.Engine, error) {
	self, err := os.Executable()
	if err != nil {
		return process.Engine{}, err
	}
	engine := exec.Command(self, EngineCommand)
	engine.Env = realtime.Environment()
	return process.Start(engine, log)
}

// Engine is the userspace driver's engine, until the daemon that has started it ends.
func Engine() error {
	// It ends with its daemon, which has streams ended in good order before: not by what
	// terminals and service managers send to both.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	log := process.NewLogger(os.Stderr)
	conn, err := process.Connect()
	if err != nil {
		return err
	}
	return process.Serve(conn, userspace.New(userspace.Options{Alone: true, Log: log}), log)
}

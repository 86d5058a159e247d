// Package e2e boots the image that users get, in QEMU with firmware, disk and
// network, and looks at it from outside.
package e2e

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"aes67os/board"
	"aes67os/firmware/qemu"
	"aes67os/init/api"
	"aes67os/test/vm"
)

// Everything is slow in emulation, and more so on a busy machine. These bounds are
// to end a test that hangs, not to measure.
const (
	bootTimeout = 3 * time.Minute
	stepTimeout = time.Minute
)

func boardNamed(t *testing.T, name string) board.Board {
	t.Helper()
	b, err := board.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func x86(t *testing.T) board.Board {
	t.Helper()
	return boardNamed(t, "x86-64")
}

// image returns the path of the built image of a PC. suffix is "" or "-debug".
func image(t *testing.T, suffix string) string {
	t.Helper()
	return built(t, "x86-64"+suffix)
}

// built returns the path of a built image.
func built(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "out", "aes67os-"+name+".img")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: these tests boot the built image; run 'make e2e'", err)
	}
	return path
}

// machine is a booting or running appliance.
type machine struct {
	*qemu.Machine
	t      *testing.T
	serial *vm.Serial
}

// start boots a machine, a PC if c has no board, which is killed at the end of the test.
func start(t *testing.T, c qemu.Config) *machine {
	t.Helper()
	m := &machine{t: t, serial: vm.NewSerial()}
	if c.Board.Name == "" {
		c.Board = x86(t)
	}
	c.Dir, c.Serial = t.TempDir(), m.serial
	c.Forward = map[int]int{vm.PagePort: 0}
	var err error
	if m.Machine, err = qemu.Start(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("serial console:\n%s", m.serial.Text())
		}
	})
	return m
}

// within bounds one step of a test.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// see waits for the serial console to show pattern, behind what was seen before.
func (m *machine) see(pattern string) []string {
	m.t.Helper()
	return m.seeWithin(stepTimeout, pattern)
}

func (m *machine) seeWithin(d time.Duration, pattern string) []string {
	m.t.Helper()
	found, err := m.serial.Wait(within(m.t, d), pattern)
	if err != nil {
		m.t.Fatal(err)
	}
	return found
}

// get fetches a path of the page, and waits until the appliance answers.
func (m *machine) get(path string) string {
	m.t.Helper()
	body, err := vm.Get(within(m.t, bootTimeout), m.Machine, path)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(body)
}

func fetch[T any](m *machine, path string) T {
	m.t.Helper()
	v, err := vm.Fetch[T](within(m.t, bootTimeout), m.Machine, path)
	if err != nil {
		m.t.Fatal(err)
	}
	return v
}

// until fetches a path again and again until ok likes it.
func until[T any](m *machine, path string, ok func(T) bool) T {
	m.t.Helper()
	ctx := within(m.t, stepTimeout)
	for {
		v := fetch[T](m, path)
		if ok(v) {
			return v
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			m.t.Fatalf("GET %s goes on to be %+v", path, v)
		}
	}
}

// waitReady waits until every service is ready.
func (m *machine) waitReady() api.Status {
	m.t.Helper()
	m.seeWithin(bootTimeout, `all services are ready`)
	return fetch[api.Status](m, "/api/system/status")
}

// command sends a QMP command.
func (m *machine) command(name string, arguments any) {
	m.t.Helper()
	if err := m.Command(within(m.t, stepTimeout), name, arguments); err != nil {
		m.t.Fatal(err)
	}
}

// pressPowerButton presses it as people do who see nothing happen: again, as the
// button's driver comes only after the page.
func (m *machine) pressPowerButton() {
	m.t.Helper()
	for range 10 {
		m.command("system_powerdown", nil)
		ctx, cancel := context.WithTimeout(m.t.Context(), stepTimeout/10)
		_, err := m.serial.Wait(ctx, `going to switch off`)
		cancel()
		if err == nil {
			return
		}
	}
	m.t.Fatal("the power button does nothing")
}

// waitOff waits for the machine to switch itself off.
func (m *machine) waitOff() {
	m.t.Helper()
	select {
	case <-m.Done():
	case <-time.After(stepTimeout):
		m.t.Fatal("the machine did not switch off")
	}
	if err := m.Wait(); err != nil {
		m.t.Fatal(err)
	}
}

// keyboard returns a machine's input and a function that types a line on it.
func keyboard(t *testing.T) (io.Reader, func(line string)) {
	t.Helper()
	r, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	return r, func(line string) {
		t.Helper()
		if _, err := io.WriteString(w, line+"\r"); err != nil {
			t.Errorf("type %q: %v", line, err)
		}
	}
}

func (m *machine) service(name string) api.Service {
	m.t.Helper()
	for _, s := range fetch[[]api.Service](m, "/api/system/services") {
		if s.Name == name {
			return s
		}
	}
	m.t.Fatalf("there is no service %s", name)
	return api.Service{}
}

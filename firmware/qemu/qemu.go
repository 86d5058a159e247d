// Package qemu starts an appliance's image in QEMU, for people (firmware run) and
// for tests and measurements.
//
// Emulation is in software (TCG) with one CPU or one thread: with several threads
// QEMU now and then corrupts a guest kernel that patches its own code, and one
// thread also makes runs comparable between machines with and without KVM.
package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"aes67os/board"
)

// Config describes the machine to start.
type Config struct {
	Board board.Board
	// Image is the disk image. Kernel and Initrd start a kernel without disk and
	// firmware instead; Append goes to its command line.
	Image                  string
	Kernel, Initrd, Append string
	// Keep writes the guest's changes to Image; otherwise they are gone at its end.
	Keep bool
	// MemoryMB is 512 when 0. CPUs is 1 when 0.
	MemoryMB, CPUs int
	// Forward maps a TCP port of the guest to one on the host's loopback; 0 on the
	// host's side picks a free one.
	Forward map[int]int
	// Serial gets the serial console, Input what is typed into it.
	Serial io.Writer
	Input  io.Reader
	// Dir is where the variable store of the firmware and the control socket go.
	Dir string
	// Args are further arguments of QEMU.
	Args []string
}

// Machine is a running QEMU.
type Machine struct {
	// Forward is as in Config, with the ports that were picked.
	Forward map[int]int

	cmd     *exec.Cmd
	done    chan struct{}
	err     error
	control string
}

// Start starts the machine; it ends with ctx. The caller removes Dir.
func Start(ctx context.Context, c Config) (*Machine, error) {
	if c.Board.QEMU.Binary == "" {
		return nil, fmt.Errorf("QEMU has no machine that is like %s", c.Board.Name)
	}
	binary, err := exec.LookPath(c.Board.QEMU.Binary)
	if err != nil {
		return nil, fmt.Errorf("%s is not installed; on Debian: apt-get install %s", c.Board.QEMU.Binary, c.Board.QEMU.Package)
	}
	m := &Machine{Forward: map[int]int{}, done: make(chan struct{}), control: filepath.Join(c.Dir, "qmp.sock")}
	args, err := m.arguments(c)
	if err != nil {
		return nil, err
	}
	m.cmd = exec.CommandContext(ctx, binary, args...)
	m.cmd.Stdout = c.Serial
	if err := m.connect(c.Input); err != nil {
		return nil, err
	}
	var stderr strings.Builder
	m.cmd.Stderr = &stderr
	// QEMU must not outlive a test that was killed.
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	m.cmd.WaitDelay = time.Second
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(m.done)
		if err := m.cmd.Wait(); err != nil && ctx.Err() == nil {
			m.err = fmt.Errorf("qemu: %w: %s", err, strings.TrimSpace(stderr.String()))
		}
	}()
	return m, nil
}

// connect makes in the keyboard. Wait must not wait for a reader that never ends, as
// it would with one that is no file.
func (m *Machine) connect(in io.Reader) error {
	if f, ok := in.(*os.File); ok || in == nil {
		if ok {
			m.cmd.Stdin = f
		}
		return nil
	}
	w, err := m.cmd.StdinPipe()
	if err != nil {
		return err
	}
	go func() { _, _ = io.Copy(w, in) }()
	return nil
}

func (m *Machine) arguments(c Config) ([]string, error) {
	q := c.Board.QEMU
	args := []string{
		"-machine", q.Machine, "-cpu", q.CPU, "-accel", "tcg,thread=single",
		"-m", strconv.Itoa(orDefault(c.MemoryMB, 512)), "-smp", strconv.Itoa(orDefault(c.CPUs, 1)),
		"-display", "none", "-serial", "stdio",
		"-qmp", "unix:" + escape(m.control) + ",server=on,wait=off",
		"-device", "virtio-rng-pci",
	}
	if c.Kernel != "" {
		args = append(args, "-kernel", c.Kernel, "-initrd", c.Initrd, "-append", c.Append)
	} else {
		of, err := firmware(c)
		if err != nil {
			return nil, err
		}
		args = append(args, of...)
	}
	if c.Image != "" {
		snapshot := "on"
		if c.Keep {
			snapshot = "off"
		}
		// The guest's flushes need not reach the host's disk: what QEMU has written
		// outlives QEMU, and a power cut of the host is not what is tried here.
		args = append(args, "-drive", "if=virtio,format=raw,cache=unsafe,file="+escape(c.Image)+",snapshot="+snapshot)
	}
	user := "user,id=net0"
	for _, guest := range slices.Sorted(maps.Keys(c.Forward)) {
		host := c.Forward[guest]
		if host == 0 {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			defer l.Close() // held until all are picked, so that no port is picked twice
			host = l.Addr().(*net.TCPAddr).Port
		}
		m.Forward[guest] = host
		user += fmt.Sprintf(",hostfwd=tcp:127.0.0.1:%d-:%d", host, guest)
	}
	args = append(args, "-netdev", user, "-device", "virtio-net-pci,netdev=net0,romfile=")
	return append(args, c.Args...), nil
}

// Done is closed when the machine has ended.
func (m *Machine) Done() <-chan struct{} { return m.done }

// Wait waits for the machine's end, which a guest brings about by powering off.
func (m *Machine) Wait() error {
	<-m.done
	return m.err
}

// URL is where a port of the guest is reached over HTTP.
func (m *Machine) URL(guest int) string {
	return fmt.Sprintf("http://127.0.0.1:%d/", m.Forward[guest])
}

// Kill ends the machine as a power cut would.
func (m *Machine) Kill() error {
	err := m.cmd.Process.Kill()
	<-m.done
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// escape writes a path for an option of QEMU, where a comma ends a value.
func escape(path string) string { return strings.ReplaceAll(path, ",", ",,") }

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}

package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aes67os/board"
)

// testBoard is a board whose emulator is a shell script.
func testBoard(t *testing.T, script string) board.Board {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"qemu-test": "#!/bin/sh\n" + script, "code.fd": "code", "vars.fd": "store"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return board.Board{QEMU: board.QEMU{
		Binary: filepath.Join(dir, "qemu-test"), Machine: "q35", CPU: "qemu64",
		Firmware: []board.Firmware{
			{Code: "/nonexistent/code.fd", Vars: "/nonexistent/vars.fd"},
			{Code: filepath.Join(dir, "code.fd"), Vars: filepath.Join(dir, "vars.fd")},
		},
		Package: "qemu-system-test", FirmwarePackage: "firmware-test",
	}}
}

func TestArguments(t *testing.T) {
	b := testBoard(t, "")
	code := b.QEMU.Firmware[1].Code
	const common = "-machine q35 -cpu qemu64 -accel tcg,thread=single -m %s -smp %s -display none -serial stdio" +
		" -qmp unix:DIR/qmp.sock,server=on,wait=off -device virtio-rng-pci"
	firmware := " -drive if=pflash,format=raw,readonly=on,file=" + code + " -drive if=pflash,format=raw,file=DIR/vars.fd"
	const net = " -netdev user,id=net0%s -device virtio-net-pci,netdev=net0,romfile="
	for _, test := range []struct {
		name   string
		config Config
		want   string
	}{
		{
			"image", Config{Image: "/a.img"},
			fmt.Sprintf(common, "512", "1") + firmware +
				" -drive if=virtio,format=raw,cache=unsafe,file=/a.img,snapshot=on" + fmt.Sprintf(net, ""),
		},
		{
			"kept image in a folder with a comma", Config{Image: "/a,b/c.img", Keep: true},
			fmt.Sprintf(common, "512", "1") + firmware +
				" -drive if=virtio,format=raw,cache=unsafe,file=/a,,b/c.img,snapshot=off" + fmt.Sprintf(net, ""),
		},
		{
			"kernel without firmware and disk", Config{Kernel: "/k", Initrd: "/i", Append: "quiet", MemoryMB: 256, CPUs: 2},
			fmt.Sprintf(common, "256", "2") + " -kernel /k -initrd /i -append quiet" + fmt.Sprintf(net, ""),
		},
		{
			"ports", Config{Kernel: "/k", Initrd: "/i", Append: "quiet", Forward: map[int]int{8854: 20002, 80: 20001}},
			fmt.Sprintf(common, "512", "1") + " -kernel /k -initrd /i -append quiet" +
				fmt.Sprintf(net, ",hostfwd=tcp:127.0.0.1:20001-:80,hostfwd=tcp:127.0.0.1:20002-:8854"),
		},
		{
			"more arguments", Config{Kernel: "/k", Initrd: "/i", Append: "quiet", Args: []string{"-device", "usb-audio"}},
			fmt.Sprintf(common, "512", "1") + " -kernel /k -initrd /i -append quiet" + fmt.Sprintf(net, "") + " -device usb-audio",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := test.config
			c.Board, c.Dir = b, t.TempDir()
			m := &Machine{Forward: map[int]int{}, control: filepath.Join(c.Dir, "qmp.sock")}
			args, err := m.arguments(c)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Split(strings.ReplaceAll(test.want, "DIR", c.Dir), " ")
			if diff := cmp.Diff(want, args); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
			for guest, host := range c.Forward {
				if m.Forward[guest] != host {
					t.Errorf("Forward[%d] = %d; want %d", guest, m.Forward[guest], host)
				}
			}
		})
	}
}

// Each machine may write to a variable store of its own.
func TestArgumentsCopyTheVariableStore(t *testing.T) {
	b, dir := testBoard(t, ""), t.TempDir()
	if _, err := (&Machine{}).arguments(Config{Board: b, Dir: dir}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "vars.fd"))
	if err != nil || string(got) != "store" {
		t.Errorf("the copy of the variable store has %q, %v", got, err)
	}
}

func TestArgumentsPickFreePorts(t *testing.T) {
	m := &Machine{Forward: map[int]int{}}
	const n = 50
	wanted := map[int]int{}
	for guest := range n {
		wanted[guest] = 0
	}
	if _, err := m.arguments(Config{Board: testBoard(t, ""), Dir: t.TempDir(), Forward: wanted}); err != nil {
		t.Fatal(err)
	}
	picked := map[int]bool{}
	for guest, host := range m.Forward {
		picked[host] = true
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", host))
		if err != nil {
			t.Errorf("port %d for the guest's %d is not free: %v", host, guest, err)
			continue
		}
		l.Close()
	}
	if len(picked) != n || picked[0] {
		t.Errorf("%d ports are picked for %d: %v", len(picked), n, m.Forward)
	}
	if got, want := m.URL(7), fmt.Sprintf("http://127.0.0.1:%d/", m.Forward[7]); got != want {
		t.Errorf("URL(7) = %s; want %s", got, want)
	}
}

func TestStartSaysWhatToInstall(t *testing.T) {
	emulator, firmware := testBoard(t, ""), testBoard(t, "")
	emulator.QEMU.Binary = "qemu-system-nothing"
	firmware.QEMU.Firmware = firmware.QEMU.Firmware[:1]
	for _, test := range []struct {
		name  string
		board board.Board
		want  string
	}{
		{"no emulator", emulator, "qemu-system-nothing is not installed; on Debian: apt-get install qemu-system-test"},
		{"no firmware", firmware, "the firmware for " + firmware.QEMU.Binary + " is not installed; on Debian: apt-get install firmware-test"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Start(t.Context(), Config{Board: test.board, Dir: t.TempDir()})
			if err == nil || err.Error() != test.want {
				t.Errorf("Start() = %v; want %s", err, test.want)
			}
		})
	}
}

func TestStart(t *testing.T) {
	for _, test := range []struct {
		name, script string
		input        io.Reader
		serial       string
		wantErr      string
	}{
		{"powers off", "echo booted\n", nil, "booted\n", ""},
		{"hears keys", "read line; echo \"heard $line\"\n", strings.NewReader("hello\n"), "heard hello\n", ""},
		// A person's keyboard never ends; the machine's end must not wait for it.
		{"ends before the keyboard", "echo booted\n", endless{}, "booted\n", ""},
		{"dies", "echo half; echo 'no such device' >&2; exit 3\n", nil, "half\n", "qemu: exit status 3: no such device"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var serial bytes.Buffer
			m, err := Start(t.Context(), Config{Board: testBoard(t, test.script), Dir: t.TempDir(), Input: test.input, Serial: &serial})
			if err != nil {
				t.Fatal(err)
			}
			err = m.Wait()
			if got := fmt.Sprint(err); test.wantErr != "" && got != test.wantErr || test.wantErr == "" && err != nil {
				t.Errorf("Wait() = %v; want %q", err, test.wantErr)
			}
			if serial.String() != test.serial {
				t.Errorf("the serial console has %q; want %q", serial.String(), test.serial)
			}
		})
	}
}

// endless is a keyboard that nobody touches.
type endless struct{}

func (endless) Read([]byte) (int, error) { select {} }

func TestKill(t *testing.T) {
	m, err := Start(t.Context(), Config{Board: testBoard(t, "exec sleep infinity\n"), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Kill(); err != nil {
		t.Errorf("Kill() = %v", err)
	}
	<-m.Done()
	if err := m.Kill(); err != nil {
		t.Errorf("Kill() of a machine that has ended = %v; want none", err)
	}
}

// Who ends the context wanted the machine to end: that is no error of the machine.
func TestEndOfContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m, err := Start(ctx, Config{Board: testBoard(t, "exec sleep infinity\n"), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := m.Wait(); err != nil {
		t.Errorf("Wait() = %v; want none", err)
	}
	if err := m.Command(t.Context(), "system_powerdown", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Command() = %v; want that there is no socket", err)
	}
}

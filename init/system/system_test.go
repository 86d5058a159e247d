package system

import (
	"os"
	"path/filepath"
	"testing"

	"aes67os/init/api"
)

func TestMemory(t *testing.T) {
	proc := t.TempDir()
	write(t, proc, "meminfo", "MemTotal:         493440 kB\nMemFree:          301234 kB\nMemAvailable:     350000 kB\nHugePages_Total:       0\n")
	want := api.Memory{Total: 493440 << 10, Available: 350000 << 10}
	if got := Memory(proc); got != want {
		t.Errorf("Memory = %+v; want %+v", got, want)
	}
}

func TestLoad(t *testing.T) {
	proc := t.TempDir()
	write(t, proc, "cpuinfo", "processor\t: 0\nmodel name\t: QEMU Virtual CPU version 2.5+\nprocessor\t: 1\nmodel name\t: other\n")
	write(t, proc, "stat", "cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 100 0 100 700 100 0 0 0 50 0\n")
	l := NewLoad(proc)
	// 30 ticks of 100 are not idle: waiting for a disk is idle, a guest's time is
	// counted in user time already.
	write(t, proc, "stat", "cpu  110 5 110 750 120 2 2 1 99 0\ncpu0 110 5 110 750 120 2 2 1 99 0\n")
	c := l.CPU()
	if c.Busy < 0.2999 || c.Busy > 0.3001 {
		t.Errorf("Busy = %v; want 0.3", c.Busy)
	}
	if c.Model != "QEMU Virtual CPU version 2.5+" || c.Cores < 1 {
		t.Errorf("CPU = %+v", c)
	}
	// Who asks again at once gets the same, not a division by nothing.
	if again := l.CPU(); again.Busy != c.Busy {
		t.Errorf("Busy asked again = %v; want %v", again.Busy, c.Busy)
	}
}

func TestThisMachine(t *testing.T) {
	if Uptime() <= 0 {
		t.Error("Uptime is not positive")
	}
	if Release() == "" {
		t.Error("Release is empty")
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Package system reads how the machine is from /proc.
package system

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"aes67os/init/api"
)

// Uptime is the time since the kernel started.
func Uptime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// Release is the kernel's release, such as "6.12.0-rt-amd64".
func Release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// Memory reads /proc/meminfo below proc.
func Memory(proc string) api.Memory {
	var m api.Memory
	eachLine(filepath.Join(proc, "meminfo"), func(line string) {
		f := strings.Fields(line)
		if len(f) < 2 {
			return
		}
		kib, _ := strconv.ParseUint(f[1], 10, 64)
		switch f[0] {
		case "MemTotal:":
			m.Total = kib << 10
		case "MemAvailable:":
			m.Available = kib << 10
		}
	})
	return m
}

// Load measures how busy the processor is. It is safe for concurrent use.
type Load struct {
	proc  string
	model string

	mu   sync.Mutex
	at   time.Time
	last ticks
	busy float64
}

// NewLoad returns a meter that reads below proc.
func NewLoad(proc string) *Load {
	l := &Load{proc: proc}
	eachLine(filepath.Join(proc, "cpuinfo"), func(line string) {
		if k, v, ok := strings.Cut(line, ":"); ok && l.model == "" && strings.TrimSpace(k) == "model name" {
			l.model = strings.TrimSpace(v)
		}
	})
	l.last = l.ticks()
	return l
}

// window is the least time measured over: askers who come sooner share an answer.
const window = time.Second

// CPU returns the load since it was last measured.
func (l *Load) CPU() api.CPU {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.at) >= window {
		t := l.ticks()
		if all := t.all - l.last.all; all > 0 {
			l.busy = 1 - float64(t.idle-l.last.idle)/float64(all)
		}
		l.last, l.at = t, now
	}
	return api.CPU{Model: l.model, Cores: runtime.NumCPU(), Busy: l.busy}
}

type ticks struct{ idle, all uint64 }

// ticks reads the first line of /proc/stat, see proc_stat(5).
func (l *Load) ticks() ticks {
	var t ticks
	eachLine(filepath.Join(l.proc, "stat"), func(line string) {
		f := strings.Fields(line)
		if len(f) < 9 || f[0] != "cpu" {
			return
		}
		// user nice system idle iowait irq softirq steal; guest time is within user.
		for i, s := range f[1:9] {
			n, _ := strconv.ParseUint(s, 10, 64)
			t.all += n
			if i == 3 || i == 4 {
				t.idle += n
			}
		}
	})
	return t
}

func eachLine(path string, f func(string)) {
	b, err := os.ReadFile(path)
	if err != nil {
		return
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		f(lines.Text())
	}
}

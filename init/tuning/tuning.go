// Package tuning makes the kernel ready for steady audio: it applies the board's
// settings and reads each back, so that the page shows what is, not what was asked.
package tuning

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"aes67os/board"
	"aes67os/init/api"
)

// Tuner applies settings. It is safe for concurrent use.
type Tuner struct {
	root     string
	settings []board.Setting

	mu      sync.Mutex
	failed  map[string]error
	latency *os.File
}

// New returns a tuner of the settings below root, which is "/" but in tests.
func New(root string, settings []board.Setting) *Tuner {
	return &Tuner{root: root, settings: settings, failed: map[string]error{}}
}

// Apply makes the settings. Calling it again after modules were loaded catches what
// was not there before, such as the files of a CPU frequency driver.
func (t *Tuner) Apply() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.failed)
	for _, s := range t.settings {
		if err := t.apply(s); err != nil {
			t.failed[s.Name] = err
		}
	}
}

func (t *Tuner) apply(s board.Setting) error {
	switch s.Kind {
	case board.Sysctl:
		return write(t.sysctl(s.Name), s.Value)
	case board.Sysfs:
		for _, f := range t.glob(s.Name) {
			if err := write(f, s.Value); err != nil {
				return err
			}
		}
		return nil
	case board.Latency:
		return t.boundLatency(s)
	case board.AudioCPU:
		return t.keepCPU(s)
	}
	return fmt.Errorf("setting %s is of an unknown kind %q", s.Name, s.Kind)
}

// Read returns the table with the values read back.
func (t *Tuner) Read() []api.Setting {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]api.Setting, 0, len(t.settings))
	for _, s := range t.settings {
		r := api.Setting{Name: s.Name, Want: s.Value, Why: s.Why}
		var err error
		r.Got, r.OK, err = t.read(s, &r)
		if err == nil && !r.OK {
			err = t.failed[s.Name]
		}
		if err != nil {
			r.OK, r.Error = false, err.Error()
		}
		out = append(out, r)
	}
	return out
}

func (t *Tuner) read(s board.Setting, r *api.Setting) (got string, ok bool, err error) {
	switch s.Kind {
	case board.Sysctl:
		got, err = read(t.sysctl(s.Name))
		return got, got == s.Value, err
	case board.Sysfs:
		files := t.glob(s.Name)
		if len(files) == 0 {
			return "not on this machine", true, nil
		}
		for _, f := range files {
			if got, err = read(f); err != nil || got != s.Value {
				return got, false, err
			}
		}
		return got, true, nil
	case board.Latency:
		r.Want = "at most " + s.Value + " µs"
		return t.readLatency(s)
	case board.AudioCPU:
		return t.readCPU(s, r)
	}
	return "", false, nil
}

func (t *Tuner) sysctl(name string) string {
	return filepath.Join(t.root, "proc/sys", strings.ReplaceAll(name, ".", "/"))
}

func (t *Tuner) glob(pattern string) []string {
	files, _ := filepath.Glob(filepath.Join(t.root, pattern))
	return files
}

// boundLatency asks for the bound by holding the file open: the kernel forgets the
// wish when it is closed.
func (t *Tuner) boundLatency(s board.Setting) error {
	if t.latency == nil {
		f, err := os.OpenFile(filepath.Join(t.root, s.Name), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		t.latency = f
	}
	µs, err := strconv.ParseInt(s.Value, 10, 32)
	if err != nil {
		return err
	}
	_, err = t.latency.WriteAt(binary.NativeEndian.AppendUint32(nil, uint32(µs)), 0)
	return err
}

func (t *Tuner) readLatency(s board.Setting) (got string, ok bool, err error) {
	if t.latency == nil {
		return "no bound", false, nil
	}
	var b [4]byte
	if _, err := t.latency.ReadAt(b[:], 0); err != nil {
		return "", false, err
	}
	µs := int32(binary.NativeEndian.Uint32(b[:]))
	want, err := strconv.Atoi(s.Value)
	return fmt.Sprintf("%d µs", µs), int(µs) <= want, err
}

// keepCPU moves interrupts, the kernel's work queues and init itself, whose children
// inherit that, off the last core. aes67d moves its real-time threads onto it.
func (t *Tuner) keepCPU(s board.Setting) error {
	others, kept, err := t.cores(s)
	if err != nil || kept < 0 {
		return err
	}
	mask := cpuMask(others)
	if err := write(t.irqDefault(), mask); err != nil {
		return err
	}
	// Interrupts that exist already keep their place until told; some, like timers,
	// cannot move, and say so by refusing.
	for _, f := range t.glob("/proc/irq/*/smp_affinity") {
		_ = write(f, mask)
	}
	if err := write(filepath.Join(t.root, "sys/devices/virtual/workqueue/cpumask"), mask); err != nil {
		return err
	}
	var set unix.CPUSet
	for cpu := range others {
		set.Set(cpu)
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		tid, _ := strconv.Atoi(task.Name())
		if err := unix.SchedSetaffinity(tid, &set); err != nil {
			return fmt.Errorf("keep init off core %d: %w", kept, err)
		}
	}
	return nil
}

func (t *Tuner) readCPU(s board.Setting, r *api.Setting) (got string, ok bool, err error) {
	others, kept, err := t.cores(s)
	if err != nil {
		return "", false, err
	}
	if kept < 0 {
		r.Want = "one of " + s.Value + " or more"
		return fmt.Sprintf("shared: there are %d", others), true, nil
	}
	r.Want = fmt.Sprintf("core %d", kept)
	mask, err := read(t.irqDefault())
	if err != nil {
		return "", false, err
	}
	n, ok := new(big.Int).SetString(strings.ReplaceAll(mask, ",", ""), 16)
	if !ok || n.Bit(kept) != 0 {
		return "shared with interrupts", false, nil
	}
	return r.Want, true, nil
}

// cpuMask is the first n cores as the kernel writes sets of them: in hexadecimal, with
// a comma every 32 bits.
func cpuMask(n int) string {
	groups := []string{fmt.Sprintf("%x", uint64(1)<<(n%32)-1)}
	if n%32 == 0 {
		groups = nil
	}
	for range n / 32 {
		groups = append(groups, "ffffffff")
	}
	return strings.Join(groups, ",")
}

func (t *Tuner) irqDefault() string { return filepath.Join(t.root, "proc/irq/default_smp_affinity") }

// cores returns how many cores are for everything else, and which is kept for
// audio: -1 when there are too few to keep one.
func (t *Tuner) cores(s board.Setting) (others, kept int, err error) {
	atLeast, err := strconv.Atoi(s.Value)
	if err != nil {
		return 0, -1, err
	}
	n := len(t.glob("/sys/devices/system/cpu/cpu[0-9]*"))
	if n < atLeast {
		return n, -1, nil
	}
	return n - 1, n - 1, nil
}

// write sets what is there; a setting that the kernel does not have is an error.
func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

func read(path string) (string, error) {
	b, err := os.ReadFile(path)
	return strings.TrimSpace(string(b)), err
}

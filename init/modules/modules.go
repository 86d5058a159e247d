// Package modules loads kernel modules: those that a device asks for by its alias,
// and those asked for by name, each after what it depends on.
//
// The indexes it reads are made by the image builder (package kernel) in depmod's
// formats: modules.dep, modules.alias, modules.softdep. Each module is packed by
// itself with LZ4 and unpacked when it is loaded: most never are, and would be half of
// what the kernel unpacks at boot and keeps in RAM.
package modules

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/pierrec/lz4/v4"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"aes67os/board"
)

// ErrUnknown says that no module of that name is in the image.
var ErrUnknown = errors.New("no such module in this image")

// Loader loads modules from a directory. It is safe for concurrent use; two callers
// who want the same module wait for the one load.
type Loader struct {
	dir    string
	index  *index
	insert func(path string) error
	log    *slog.Logger

	mu   sync.Mutex
	once map[string]*sync.Once
	errs map[string]error
}

// New reads the indexes in dir, which is /lib/modules/RELEASE.
func New(dir string, log *slog.Logger) (*Loader, error) {
	x, err := readIndex(os.DirFS(dir))
	if err != nil {
		return nil, err
	}
	return &Loader{dir: dir, index: x, insert: insert, log: log, once: map[string]*sync.Once{}, errs: map[string]error{}}, nil
}

// Load loads the module called name, or those that name is an alias of.
func (l *Loader) Load(name string) error {
	found := l.index.lookup(name)
	if len(found) == 0 {
		return fmt.Errorf("load %s: %w", name, ErrUnknown)
	}
	var errs []error
	for _, m := range found {
		errs = append(errs, l.load(m))
	}
	return errors.Join(errs...)
}

// LoadAlias loads what a device's modalias asks for. Most devices ask for something
// that is built into the kernel or not in the image: that is no error. One that
// cannot be loaded is logged; the appliance goes on without that device.
func (l *Loader) LoadAlias(modalias string) {
	for _, m := range l.index.lookup(modalias) {
		if err := l.load(m); err != nil {
			l.log.Warn(err.Error(), "device", modalias)
		}
	}
}

func (l *Loader) load(name string) error {
	l.mu.Lock()
	once := l.once[name]
	if once == nil {
		once = new(sync.Once)
		l.once[name] = once
	}
	l.mu.Unlock()
	once.Do(func() {
		err := l.loadWithDeps(name)
		l.mu.Lock()
		l.errs[name] = err
		l.mu.Unlock()
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errs[name]
}

func (l *Loader) loadWithDeps(name string) error {
	e := l.index.deps[name]
	l.loadSoft(l.index.pre[name])
	for _, dep := range slices.Backward(e.deps) {
		if err := l.load(nameOf(dep)); err != nil {
			return err
		}
	}
	if err := l.insert(filepath.Join(l.dir, e.path)); err != nil {
		return fmt.Errorf("load %s: %w", name, err)
	}
	l.log.Debug("loaded " + name)
	l.loadSoft(l.index.post[name])
	return nil
}

// loadSoft loads what a module wishes for, but does not need. Two modules may wish
// for each other: one whose loading has begun is not waited for.
func (l *Loader) loadSoft(names []string) {
	for _, name := range names {
		for _, m := range l.index.lookup(name) {
			l.mu.Lock()
			begun := l.once[m] != nil
			l.mu.Unlock()
			if begun {
				continue
			}
			if err := l.load(m); err != nil {
				l.log.Debug(err.Error())
			}
		}
	}
}

// insert gives a module to the kernel; one that is in there already is well.
func insert(path string) error {
	f, err := os.Open(path + board.ModuleSuffix)
	if err != nil {
		return err
	}
	defer f.Close()
	image, err := io.ReadAll(lz4.NewReader(f))
	if err != nil {
		return fmt.Errorf("unpack %s: %w", path, err)
	}
	if err := unix.InitModule(image, ""); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

// ColdPlug loads what the devices in sysfs ask for that were there before anybody
// listened for events. First come network cards and the fastest disks; if with these
// there is enough to show the page, the others wait until proceed is closed, so that
// they do not hold it up. If not, all disks and the buses that disks and network
// cards hang on follow at once.
func (l *Loader) ColdPlug(sys string, enough func() bool, proceed <-chan struct{}) error {
	quick, slow := urgent(sys)
	// One after the other, so that network cards have the same names at every boot.
	l.loadAll(quick, 1, false)
	if !enough() {
		l.loadAll(slow, atOnce, false)
	}
	<-proceed
	all, err := everything(sys)
	l.loadAll(all, atOnce, true)
	return err
}

// atOnce is how many modules are loaded at a time where the order does not matter:
// drivers wait for their hardware while they are loaded.
const atOnce = 4

// loadAll loads what aliases ask for, in their order, some at a time; nicely, if
// everything else is to go first.
func (l *Loader) loadAll(aliases []string, some int, nicely bool) {
	var group errgroup.Group
	group.SetLimit(some)
	for _, a := range aliases {
		group.Go(func() error {
			if nicely {
				// Never unlocked: the thread ends with the goroutine.
				runtime.LockOSThread()
				_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 19)
			}
			l.LoadAlias(a)
			return nil
		})
	}
	_ = group.Wait()
}

// urgent returns the aliases of network cards and of disks that are there at once,
// and those of other disks and of buses with more devices on them. It looks at the
// buses that have such alone, as there are many more devices.
func urgent(sys string) (quick, slow []string) {
	for _, bus := range []string{"virtio", "pci", "platform", "vmbus", "xen", "usb"} {
		files, _ := filepath.Glob(filepath.Join(sys, "bus", bus, "devices/*/modalias"))
		for _, f := range files {
			switch a := readAlias(f); urgency(a) {
			case atFirst:
				quick = append(quick, a)
			case soon:
				slow = append(slow, a)
			}
		}
	}
	return quick, slow
}

const (
	later = iota
	soon
	atFirst
)

// urgency tells by its alias how soon a device is needed: of virtio devices by their
// number, of PCI devices by their class, of those in a device tree by their node's name
// (Devicetree Specification 0.4 §2.2.2).
func urgency(alias string) int {
	for _, k := range []struct {
		bus, mark string
		urgency   int
	}{
		{"virtio:", "d00000001", atFirst}, // network
		{"virtio:", "d00000002", atFirst}, // disk
		{"virtio:", "d00000008", soon},    // SCSI
		{"pci:", "bc02", atFirst},         // network
		{"pci:", "bc01sc08", atFirst},     // NVMe
		{"pci:", "bc01", soon},            // other disks
		{"pci:", "bc08sc05", soon},        // SD cards
		{"pci:", "bc0Csc03", soon},        // USB
		{"of:Nethernet", "", atFirst},
		{"of:Nmmc", "", atFirst},
		{"of:Nphy", "", soon}, // of USB
		{"of:Nusb", "", soon},
		{"vmbus:", "", soon},
		{"xen:", "", soon},
		{"usb:", "", soon},
	} {
		if strings.HasPrefix(alias, k.bus) && strings.Contains(alias, k.mark) {
			return k.urgency
		}
	}
	return later
}

// everything returns the aliases of all devices, in a stable order.
func everything(sys string) ([]string, error) {
	found := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(sys, "devices"), func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "modalias" { // devices may go while we look
			found[readAlias(p)] = true
		}
		return nil
	})
	delete(found, "")
	return slices.Sorted(maps.Keys(found)), err
}

func readAlias(file string) string {
	b, _ := os.ReadFile(file)
	return strings.TrimSpace(string(b))
}

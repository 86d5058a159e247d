package board

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestByName(t *testing.T) {
	for _, b := range All() {
		got, err := ByName(b.Name)
		if err != nil || got.Title != b.Title {
			t.Errorf("ByName(%q) = %q, %v; want %q", b.Name, got.Title, err, b.Title)
		}
	}
	for _, name := range []string{"", "X86-64", "nonsense"} {
		_, err := ByName(name)
		if err == nil {
			t.Errorf("ByName(%q) finds a board", name)
			continue
		}
		for _, b := range All() {
			if !strings.Contains(err.Error(), b.Name) {
				t.Errorf("ByName(%q) = %v; want it to tell of %s", name, err, b.Name)
			}
		}
	}
}

// What one build does to a board must not reach the next.
func TestAllIsFresh(t *testing.T) {
	changed := All()[0]
	changed.Modules[0], changed.Tuning[0].Value = "changed", "changed"
	changed.KernelConfig["CONFIG_CHANGED"] = "y"
	again := All()[0]
	if again.Modules[0] == "changed" || again.Tuning[0].Value == "changed" || again.KernelConfig["CONFIG_CHANGED"] != "" {
		t.Error("All() returns a board that was changed before")
	}
}

func TestBoards(t *testing.T) {
	noDuplicates(t, "boards", All(), func(b Board) string { return b.Name })
	for _, b := range All() {
		t.Run(b.Name, func(t *testing.T) {
			complete(t, b)
			switch b.Boot {
			case UEFI:
				bootsUEFI(t, b)
			case UBoot:
				bootsUBoot(t, b)
			default:
				t.Errorf("boots by %q", b.Boot)
			}
			checkConfig(t, b.KernelConfig)
			noDuplicates(t, "modules", b.Modules, moduleName)
			noDuplicates(t, "modules to load", b.Load, moduleName)
			for _, pattern := range b.Modules {
				if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
					t.Errorf("module %q is no pattern: %v", pattern, err)
				}
			}
			for _, name := range b.Load {
				in := slices.ContainsFunc(b.Modules, func(pattern string) bool {
					ok, err := path.Match(moduleName(pattern), moduleName(name))
					return ok && err == nil
				})
				if !in {
					t.Errorf("module %q is loaded but not in the image", name)
				}
			}
			tuning(t, b.Tuning)
		})
	}
}

// complete checks that nothing is left out that the builder and init use.
func complete(t *testing.T, b Board) {
	t.Helper()
	for what, value := range map[string]string{
		"Name": b.Name, "Title": b.Title, "KernelPackage": b.KernelPackage, "BootPackage": b.BootPackage,
	} {
		if value == "" || value != strings.TrimSpace(value) {
			t.Errorf("%s is %q", what, value)
		}
	}
	q := b.QEMU
	if q.Binary != "" && (q.Machine == "" || q.CPU == "" || q.Package == "") {
		t.Errorf("QEMU's machine is %+v; want all of it, or none", q)
	}
	// It becomes part of file names and of the version of a boot entry.
	if !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(b.Name) {
		t.Errorf("the name %q has other characters than a-z, 0-9 and -", b.Name)
	}
	debian := map[string]string{"amd64": "amd64", "arm64": "arm64"}
	if b.DebianArch == "" || debian[b.GOARCH] != b.DebianArch {
		t.Errorf("Go's processor %q, Debian's %q", b.GOARCH, b.DebianArch)
	}
	if !strings.HasSuffix(b.KernelPackage, "-"+b.DebianArch) {
		t.Errorf("the kernel package %s is not for %s", b.KernelPackage, b.DebianArch)
	}
	options := strings.Fields(b.Cmdline)
	if !slices.Contains(options, "panic=10") {
		t.Errorf("the command line %q has no panic=10: a crashed kernel would not start again", b.Cmdline)
	}
	if !slices.ContainsFunc(options, func(o string) bool { return strings.HasPrefix(o, "console=") }) {
		t.Errorf("the command line %q names no console", b.Cmdline)
	}
	for what, size := range map[string]int64{"BootSize": b.BootSize, "SlotSize": b.SlotSize, "DataSize": b.DataSize} {
		const mib = 1 << 20
		if size < 0 || size%mib != 0 || size == 0 && what != "SlotSize" {
			t.Errorf("%s is %d bytes; want whole MiB", what, size)
		}
	}
}

func bootsUEFI(t *testing.T, b Board) {
	t.Helper()
	if b.SlotSize != 0 {
		t.Errorf("slots have %d bytes; want files on the boot partition", b.SlotSize)
	}
	if len(b.QEMU.Firmware) == 0 || b.QEMU.FirmwarePackage == "" {
		t.Error("there is no firmware for QEMU")
	}
	for _, f := range b.QEMU.Firmware {
		if !path.IsAbs(f.Code) || !path.IsAbs(f.Vars) || f.Code == f.Vars {
			t.Errorf("QEMU's firmware is %+v", f)
		}
	}
}

func bootsUBoot(t *testing.T, b Board) {
	t.Helper()
	if b.SlotSize == 0 {
		t.Error("there are no slots")
	}
	u := b.UBoot
	if u.Program == "" || path.IsAbs(u.Program) {
		t.Errorf("U-Boot is the file %q; want one of its package", u.Program)
	}
	if (u.DeviceTree == "") == (u.DeviceTreeAt == "") {
		t.Errorf("the device tree is %q, or at %q; want one of both", u.DeviceTree, u.DeviceTreeAt)
	}
	for _, e := range u.TreeEdits {
		if !path.IsAbs(e.Node) || e.Property == "" || e.Value == "" || e.Why == "" {
			t.Errorf("edit %+v of the device tree lacks something", e)
		}
	}
	for name, why := range u.NoDriver {
		if why == "" {
			t.Errorf("nobody says why the appliance does without %s", name)
		}
	}
}

func checkConfig(t *testing.T, config map[string]string) {
	t.Helper()
	for option, value := range config {
		if !regexp.MustCompile(`^CONFIG_[A-Z0-9_]+$`).MatchString(option) {
			t.Errorf("%q is no kernel option", option)
		}
		if !slices.Contains([]string{"y", "m", "ym", "n"}, value) {
			t.Errorf("%s must be %q; want y, m, ym or n", option, value)
		}
	}
	if config["CONFIG_PREEMPT_RT"] != "y" {
		t.Error("the kernel need not be a real-time one")
	}
}

func tuning(t *testing.T, settings []Setting) {
	t.Helper()
	noDuplicates(t, "settings", settings, func(s Setting) string { return s.Name })
	for _, s := range settings {
		if s.Value == "" || s.Why == "" {
			t.Errorf("setting %+v has no value or no reason", s)
		}
		var ok bool
		switch s.Kind {
		case Sysctl:
			ok = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)+$`).MatchString(s.Name)
		case Sysfs:
			_, err := path.Match(s.Name, "")
			ok = strings.HasPrefix(s.Name, "/sys/") && err == nil
		case Latency, AudioCPU:
			ok = regexp.MustCompile(`^[1-9][0-9]*$`).MatchString(s.Value)
		}
		if !ok {
			t.Errorf("setting %+v is not of its kind", s)
		}
	}
}

// moduleName makes names of modules comparable: '-' and '_' are the same to the kernel.
func moduleName(name string) string { return strings.ReplaceAll(name, "-", "_") }

func noDuplicates[T any](t *testing.T, what string, list []T, name func(T) string) {
	t.Helper()
	names := make([]string, len(list))
	for i, v := range list {
		names[i] = name(v)
	}
	slices.Sort(names)
	for i := 1; i < len(names); i++ {
		if names[i] == names[i-1] {
			t.Errorf("%s: %q is there more than once", what, names[i])
		}
	}
}

// The users' numbers are on the data partitions of appliances in use.
func TestUsers(t *testing.T) {
	if AudioUser != "aes67d" || AudioUID != 101 || WebUser != "webui" || WebUID != 102 {
		t.Errorf("users are %s %d, %s %d; want aes67d 101, webui 102", AudioUser, AudioUID, WebUser, WebUID)
	}
}

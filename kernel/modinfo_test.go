package kernel

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadModule(t *testing.T) {
	ko := makeModule(map[string]uint32{"kfree": 0xcafef00d, "module_layout": 1},
		"version=1.2", "license=GPL v2", "alias=pci:v00008086d*", "alias=e1000e", "depends=ptp,i2c-algo-bit",
		"softdep=pre: a post: b", "name=e1000e", "vermagic=6.12 SMP preempt ", "", "parm=debug:level=all")
	info, versions, err := readModule(ko)
	if err != nil {
		t.Fatal(err)
	}
	want := Modinfo{
		Name: "e1000e", License: "GPL v2", Version: "1.2", Vermagic: "6.12 SMP preempt",
		Depends:  []string{"ptp", "i2c-algo-bit"},
		Softdeps: []string{"pre: a post: b"},
		Aliases:  []string{"pci:v00008086d*", "e1000e"},
	}
	if diff := cmp.Diff(want, info); diff != "" {
		t.Errorf("modinfo differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]uint32{"kfree": 0xcafef00d, "module_layout": 1}, versions); diff != "" {
		t.Errorf("versions differ (-want +got):\n%s", diff)
	}
}

func TestReadModuleTruncated(t *testing.T) {
	whole := makeModule(map[string]uint32{"kfree": 1}, "name=e1000e")
	for n := range whole {
		if _, _, err := readModule(whole[:n]); err == nil {
			t.Fatalf("readModule(first %d of %d bytes) = nil; want an error", n, len(whole))
		}
	}
}

func TestSoftdeps(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []string
	}{
		{"pre: a b post: c", []string{"a", "b", "c"}},
		{"post: platform:leds-gpio", []string{"platform:leds-gpio"}},
		{"sha512", nil},
		{"x pre: y", []string{"y"}},
		{"", nil},
	} {
		if diff := cmp.Diff(tt.want, softdeps([]string{tt.line})); diff != "" {
			t.Errorf("softdeps(%q) differs (-want +got):\n%s", tt.line, diff)
		}
	}
}

func FuzzModule(f *testing.F) {
	f.Add(makeModule(map[string]uint32{"kfree": 1}, "name=a", "depends=b,c", "softdep=pre: d"))
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, ko []byte) {
		info, _, err := readModule(ko)
		if err == nil {
			softdeps(info.Softdeps)
		}
	})
}

func FuzzModinfo(f *testing.F) {
	f.Add([]byte("name=a\x00depends=b,,c\x00\x00alias=pci:*\x00=\x00x"))
	f.Fuzz(func(t *testing.T, section []byte) {
		for _, name := range ParseModinfo(section).Depends {
			if name == "" {
				t.Error("an empty name in depends")
			}
		}
	})
}

package kernel

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDrivers(t *testing.T) {
	k := testKernel(t)
	for alias, want := range map[string][]string{
		"pci:v00001022d00001533": nil,
		"pci:v00008086d00000001": {"kernel/net/e1000e.ko"},
		"crypto-crc":             {"kernel/crypto/crc_fast.ko", "kernel/crypto/crc_slow.ko"},
		"aes_generic":            nil, // built in
	} {
		got := k.Drivers(alias)
		if diff := cmp.Diff(want, paths(got)); diff != "" {
			t.Errorf("Drivers(%s) (-want +got):\n%s", alias, diff)
		}
	}
	if got := k.Drivers("pci:v00008086d00000001")[0].Depends; len(got) == 0 {
		t.Error("the driver does not say what it depends on")
	}
}

func TestImageDrives(t *testing.T) {
	entry := func(compatible string) string {
		return strings.Repeat("\x00", 64) + compatible + strings.Repeat("\x00", compatibleSize-len(compatible)) + "\x01data"
	}
	image := Image("code" + entry("vendor,mmc") + entry("vendor,uart-16") + "a message about vendor,usb\x00 and more")
	for compatible, want := range map[string]bool{
		"vendor,mmc": true, "vendor,uart-16": true,
		"vendor,uart": false, "mmc": false, "vendor,usb": false, strings.Repeat("x", compatibleSize): false,
	} {
		if got := image.Drives(compatible); got != want {
			t.Errorf("Drives(%q) = %v; want %v", compatible, got, want)
		}
	}
}

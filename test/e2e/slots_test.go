package e2e

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aes67os/board"
	"aes67os/firmware/disk"
	"aes67os/firmware/fit"
	"aes67os/firmware/qemu"
	"aes67os/firmware/slot"
	"aes67os/firmware/uboot"
)

// system is a slot file whose system is over before it begins: U-Boot runs end in place
// of setting the kernel's command line.
func system(t *testing.T, end string) []byte {
	t.Helper()
	file, err := fit.Assemble("test", time.Unix(1795000000, 0),
		fit.Part{Name: uboot.CommandLine, Kind: fit.Script, Data: []byte("echo \"this is slot ${slot}\"\n" + end + "\n")},
		fit.Part{Name: "kernel", Kind: fit.Kernel, Data: make([]byte, 4096), Load: uboot.KernelAddress})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestSlots lets U-Boot's script choose on cards of all conditions.
func TestSlots(t *testing.T) {
	t.Parallel()
	b := boardNamed(t, "qemu-arm64")
	d, err := disk.Open(built(t, b.Name))
	if err != nil {
		t.Fatal(err)
	}
	good, hangs := system(t, "poweroff"), system(t, "reset")
	bad := good[:len(good)-100]
	const none = -1
	for _, test := range []struct {
		name  string
		state slot.State
		a, b  []byte
		// torn is which copy of the state is damaged; both if 2.
		torn int
		// see is what the console shows, in order, till the machine is off, if off.
		see []string
		off bool
		// left is the state afterwards.
		left slot.State
	}{
		{
			"new card", slot.First(), good, nil, none,
			[]string{`starting slot a`, `this is slot a`}, true, slot.First(),
		},
		{
			"blank state", slot.State{Slot: slot.B, Good: slot.B}, good, good, 2,
			[]string{`there is no state, slot a it is`, `this is slot a`}, true, slot.State{},
		},
		{
			"first copy torn", slot.State{Slot: slot.B, Good: slot.B}, good, good, 0,
			[]string{`the first copy of the state is damaged`, `this is slot b`}, true, slot.State{Slot: slot.B, Good: slot.B},
		},
		{
			"second copy torn", slot.State{Slot: slot.B, Good: slot.B}, good, good, 1,
			[]string{`starting slot b`, `this is slot b`}, true, slot.State{Slot: slot.B, Good: slot.B},
		},
		{
			// Both copies are whole again once a try was counted.
			"update that hangs", slot.State{Slot: slot.B, Good: slot.A, Left: 2}, good, hangs, 1,
			[]string{
				`slot b is tried, 1 tries are left`, `this is slot b`, `slot b is tried, 0 tries are left`, `this is slot b`,
				`slot b did not work, going back to slot a`, `this is slot a`,
			},
			true, slot.State{Slot: slot.B, Good: slot.A},
		},
		{
			"more than nine tries", slot.State{Slot: slot.B, Good: slot.A, Left: 16}, good, good, none,
			[]string{`slot b is tried, f tries are left`, `this is slot b`}, true, slot.State{Slot: slot.B, Good: slot.A, Left: 15},
		},
		{
			"update cut off", slot.State{Slot: slot.B, Good: slot.A, Left: 3}, good, bad, none,
			[]string{`starting slot b`, `slot b cannot be started`, `starting slot a`, `this is slot a`},
			true, slot.State{Slot: slot.B, Good: slot.A, Left: 2},
		},
		{
			"slot without file", slot.First(), nil, good, none,
			[]string{`slot a cannot be started`, `this is slot b`}, true, slot.First(),
		},
		{
			"both bad", slot.First(), bad, nil, none,
			[]string{
				`slot a cannot be started`, `slot b cannot be started`,
				`NO SLOT CAN BE STARTED\. The card is damaged`, `trying again in 10 seconds`,
				`U-Boot 20`, `NO SLOT CAN BE STARTED`,
			},
			false, slot.First(),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			card := makeCard(t, d, test.state, test.a, test.b)
			tear(t, card, test.torn)
			m := start(t, qemu.Config{Board: b, Image: card, Keep: true})
			for _, line := range test.see {
				m.seeWithin(bootTimeout, line)
			}
			if test.off {
				m.waitOff()
			}
			got, err := slot.Parse([slot.Size]byte(partition(t, card, board.StatePartition).Data))
			if (test.left == slot.State{}) != (err != nil) {
				t.Errorf("the state afterwards: %v", err)
			}
			if diff := cmp.Diff(test.left, got); diff != "" {
				t.Errorf("state afterwards (-want +got):\n%s", diff)
			}
		})
	}
}

// tear damages a copy of the state, or both, as a power failure would.
func tear(t *testing.T, card string, which int) {
	t.Helper()
	f, err := os.OpenFile(card, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at := partition(t, card, board.StatePartition).Start
	for copies := range int64(2) {
		if which != 2 && int64(which) != copies {
			continue
		}
		if _, err := f.WriteAt(make([]byte, slot.SectorSize/2), at+copies*slot.SectorSize); err != nil {
			t.Fatal(err)
		}
	}
}

package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"aes67os/board"
	"aes67os/firmware/disk"
	"aes67os/firmware/qemu"
	"aes67os/firmware/slot"
	"aes67os/firmware/uboot"
	"aes67os/init/api"
)

// TestARM64 starts the image as it is on a new card, from U-Boot's first line on.
func TestARM64(t *testing.T) {
	t.Parallel()
	b := boardNamed(t, "qemu-arm64")
	m := start(t, qemu.Config{Board: b, Image: built(t, b.Name)})
	m.seeWithin(bootTimeout, `U-Boot 20\d\d`)
	m.see(`aes67os: starting slot a`)
	status := m.waitReady()
	if status.Board != b.Title || !strings.Contains(status.Kernel, "-rt-arm64") || status.Hostname != "aes67-123456" {
		t.Errorf("board %q, kernel %q, host name %q", status.Board, status.Kernel, status.Hostname)
	}
	if status.Data.State != api.DataMounted || len(status.Notes) != 0 {
		t.Errorf("data partition %+v, notes %+v; want it mounted, and none", status.Data, status.Notes)
	}
	for _, s := range fetch[[]api.Service](m, "/api/system/services") {
		if s.State != api.Running || s.Restarts != 0 {
			t.Errorf("service %+v; want it running since its first start", s)
		}
	}
	for _, s := range fetch[[]api.Setting](m, "/api/system/tuning") {
		if !s.OK {
			t.Errorf("setting %+v is not as wanted", s)
		}
	}
	interfaces := fetch[[]api.Interface](m, "/api/system/network")
	if len(interfaces) != 1 || !slices.Equal(interfaces[0].Addresses, []string{"10.0.2.15/24"}) {
		t.Errorf("interfaces: %+v; want one with QEMU's DHCP lease", interfaces)
	}
	if page := m.get("/"); !strings.Contains(page, status.Hostname) || !strings.Contains(page, b.Title) {
		t.Error("the page shows neither name nor board")
	}
	m.pressPowerButton()
	m.see(`all is written to the card`)
	m.waitOff()
}

// TestARM64Damaged boots a card whose slot a lacks a part that never reached it: slot b
// has the same system, and is started.
func TestARM64Damaged(t *testing.T) {
	t.Parallel()
	b := boardNamed(t, "qemu-arm64")
	d, err := disk.Open(built(t, b.Name))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := d.Partition(board.SlotAPartition)
	file := a.Files[0].Data
	damaged := slices.Clone(file)
	clear(damaged[len(file)*8/10:][:4096])
	card := makeCard(t, d, slot.First(), damaged, file)
	m := start(t, qemu.Config{Board: b, Image: card, Keep: true})
	m.seeWithin(bootTimeout, `aes67os: starting slot a`)
	m.see(`Bad hash value`)
	m.see(`aes67os: slot a cannot be started`)
	m.see(`aes67os: starting slot b`)
	if status := m.waitReady(); status.Data.State != api.DataMounted || len(status.Notes) != 0 {
		t.Errorf("data partition %+v, notes %+v; want it mounted, and none", status.Data, status.Notes)
	}
}

// makeCard writes a card like d, with other slots. A slot file that is nil is not there.
func makeCard(t *testing.T, d disk.Disk, state slot.State, a, b []byte) string {
	t.Helper()
	sectors := state.Sectors()
	l := disk.Layout{Loader: d.Loader}
	for _, p := range d.Partitions {
		c := disk.Content{Name: p.Name, Size: p.Size, Files: p.Files}
		switch p.Name {
		case board.StatePartition:
			c.Data = sectors[:]
		case board.SlotAPartition:
			c.Files = slotFiles(a)
		case board.SlotBPartition:
			c.Files = slotFiles(b)
		}
		l.Partitions = append(l.Partitions, c)
	}
	card := filepath.Join(t.TempDir(), "card.img")
	if err := disk.Create(card, l); err != nil {
		t.Fatal(err)
	}
	return card
}

func slotFiles(file []byte) []disk.File {
	if file == nil {
		return nil
	}
	return []disk.File{{Name: uboot.SlotFile, Data: file}}
}

package e2e

import (
	"os"
	"slices"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"

	"aes67os/board"
	"aes67os/firmware/qemu"
	"aes67os/init/api"
)

// putOnCard writes a file to the boot partition of an image, as people do from their
// computer.
func putOnCard(t *testing.T, image, name, content string) {
	t.Helper()
	p := partition(t, image, board.BootPartition)
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fat, err := fat32.Read(file.New(f, false), p.Size, p.Start, 512)
	if err != nil {
		t.Fatal(err)
	}
	w, err := fat.OpenFile("/"+name, os.O_CREATE|os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestHardware starts a machine with more in it than a plain one: four cores, two
// network cards, a watchdog, and something that is plugged in while it runs. Its
// settings were put on the card.
func TestHardware(t *testing.T) {
	t.Parallel()
	path := ownCopy(t, image(t, ""), 0)
	putOnCard(t, path, "aes67os.json", `{"hostname": "studio-2", "network": {"interfaces": {
		"52:54:00:aa:bb:cc": {"method": "static", "address": "192.0.2.10/24"}}}}`)
	m := start(t, qemu.Config{Image: path, CPUs: 4, Args: []string{
		"-netdev", "user,id=net1", "-device", "e1000e,netdev=net1,mac=52:54:00:aa:bb:cc,romfile=",
		"-device", "i6300esb", "-device", "qemu-xhci", "-netdev", "user,id=net2",
	}})
	status := m.waitReady()

	t.Run("preset", func(t *testing.T) {
		if status.Hostname != "studio-2" {
			t.Errorf("hostname = %q; want that of the file on the card", status.Hostname)
		}
	})
	t.Run("second network card", func(t *testing.T) {
		interfaces := until(m, "/api/system/network", func(all []api.Interface) bool { return len(all) == 2 && all[1].Up })
		i := slices.IndexFunc(interfaces, func(i api.Interface) bool { return i.MAC == "52:54:00:aa:bb:cc" })
		if i < 0 || interfaces[i].Driver != "e1000e" || interfaces[i].Method != api.Static || !slices.Equal(interfaces[i].Addresses, []string{"192.0.2.10/24"}) {
			t.Errorf("interfaces: %+v; want the static one", interfaces)
		}
	})
	t.Run("core for audio", func(t *testing.T) {
		for _, s := range fetch[[]api.Setting](m, "/api/system/tuning") {
			if s.Name == "core kept for audio" && (s.Got != "core 3" || !s.OK) {
				t.Errorf("of four cores: %+v; want core 3 kept", s)
			}
		}
	})
	t.Run("watchdog", func(t *testing.T) {
		m.see(`the hardware watchdog is armed`)
	})
	t.Run("plugged in while running", func(t *testing.T) {
		m.command("device_add", map[string]any{"driver": "usb-net", "netdev": "net2", "id": "usbnet"})
		until(m, "/api/system/network", func(all []api.Interface) bool { return len(all) == 3 })
	})
}

package e2e

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"aes67os/board"
	"aes67os/firmware/qemu"
	"aes67os/init/api"
)

// TestDamagedData overwrites the data partition: settings are lost, the appliance is
// not, and nobody writes over what may still be saved.
func TestDamagedData(t *testing.T) {
	t.Parallel()
	path := ownCopy(t, image(t, ""), 0)
	part := partition(t, path, board.DataPartition)
	random := make([]byte, part.Size)
	rand.NewChaCha8([32]byte{'d', 'a', 't', 'a'}).Read(random)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(random, part.Start); err != nil {
		t.Fatal(err)
	}

	m := start(t, qemu.Config{Image: path, Keep: true})
	status := m.waitReady()
	if status.Data.State != api.DataDamaged || !strings.Contains(status.Data.Why, "left as it is") {
		t.Errorf("data partition: %+v; want it damaged, and left as it is", status.Data)
	}
	if len(status.Notes) == 0 || status.Notes[0].Severity != api.Error {
		t.Errorf("notes: %+v; want a loud one", status.Notes)
	}
	if status.Hostname != "aes67-123456" {
		t.Errorf("hostname = %q; want the default", status.Hostname)
	}
	if page := m.get("/"); !strings.Contains(page, "cannot be read as ext4") {
		t.Error("the page does not say what is wrong")
	}
	m.pressPowerButton()
	m.waitOff()

	after := make([]byte, part.Size)
	if _, err := f.ReadAt(after, part.Start); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(random, after) {
		t.Error("the damaged partition was written to")
	}
}

// TestDebugImage goes through the life of a card that is larger than the image, with
// the shell of the debug image as the user's hand inside.
func TestDebugImage(t *testing.T) {
	t.Parallel()
	const more = 1 << 30
	path := ownCopy(t, image(t, "-debug"), more)
	keys, typed := keyboard(t)
	m := start(t, qemu.Config{Image: path, Keep: true, Input: keys})
	status := m.waitReady()

	t.Run("data partition grows", func(t *testing.T) {
		// It grows beside everything else.
		until(m, "/api/system/status", func(s api.Status) bool { return s.Data.Total > more*9/10 })
	})
	t.Run("debug is noted", func(t *testing.T) {
		if len(status.Notes) == 0 || !strings.Contains(status.Notes[0].Text, "debug image") {
			t.Errorf("notes: %+v; want one about the debug image", status.Notes)
		}
	})
	streams := func() (names []string) {
		for _, s := range fetch[struct{ Sources []struct{ Name string } }](m, "/api/sources").Sources {
			names = append(names, s.Name)
		}
		return names
	}
	t.Run("killed service comes back", func(t *testing.T) {
		typed(`echo '{"sources": [{"id": 7, "enabled": true, "name": "Pulpit", "io": "", "max_samples_per_packet": 48, "codec": "L24", ` +
			`"address": "", "ttl": 15, "payload_type": 98, "dscp": 34, "refclk_ptp_traceable": false, "map": [0]}], "sinks": []}' > /data/state/aes67d/status.json`)
		before := m.service("aes67d")
		typed("kill -9 " + strconv.Itoa(before.PID))
		m.see(`aes67d was killed by signal 9 \(killed\), starting it again in 100 ms`)
		m.see(`aes67d is ready`)
		after := m.service("aes67d")
		if after.PID == before.PID || after.State != api.Running || after.Restarts != 1 || !strings.Contains(after.LastExit, "signal 9") {
			t.Errorf("aes67d after the kill: %+v; want it running again, saying why", after)
		}
		if got := streams(); !slices.Equal(got, []string{"Pulpit"}) {
			t.Errorf("sources %v; want the one that is on the card", got)
		}
	})
	t.Run("settings survive a reboot", func(t *testing.T) {
		typed(`echo '{"hostname": "studio-1"}' > /data/config/system.json`)
		typed("cat /data/config/system.json")
		m.see(`\{"hostname": "studio-1"\}\r?\n`)
		m.command("send-key", map[string]any{"keys": []map[string]string{
			{"type": "qcode", "data": "ctrl"}, {"type": "qcode", "data": "alt"}, {"type": "qcode", "data": "delete"},
		}})
		m.see(`going to reboot`)
		m.see(`all is written to the card`)
		status := m.waitReady()
		if status.Hostname != "studio-1" {
			t.Errorf("hostname after the reboot = %q; want the one that was set", status.Hostname)
		}
		if got := streams(); !slices.Equal(got, []string{"Pulpit"}) {
			t.Errorf("sources after the reboot: %v; want the one that is on the card", got)
		}
		if status.Data.State != api.DataMounted || status.Data.Total < more*9/10 {
			t.Errorf("data partition after the reboot: %+v", status.Data)
		}
	})
	t.Run("orderly end by signal", func(t *testing.T) {
		typed("kill -12 1")
		m.see(`all is written to the card`)
		m.waitOff()
	})
}

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aes67os/board"
	"aes67os/firmware/qemu"
	"aes67os/init/api"
)

// TestBoot starts the image as it is on a new card.
func TestBoot(t *testing.T) {
	t.Parallel()
	m := start(t, qemu.Config{Image: image(t, "")})
	status := m.waitReady()

	t.Run("status", func(t *testing.T) {
		if status.Hostname != "aes67-123456" {
			t.Errorf("hostname = %q; want aes67- and the end of QEMU's MAC address", status.Hostname)
		}
		if status.Board != x86(t).Title || !strings.Contains(status.Kernel, "-rt-amd64") || status.Version == "" {
			t.Errorf("board %q, kernel %q, version %q", status.Board, status.Kernel, status.Version)
		}
		if status.Data.State != api.DataMounted {
			t.Errorf("data partition: %+v; want it mounted", status.Data)
		}
		if len(status.Notes) != 0 {
			t.Errorf("notes on a good machine: %+v", status.Notes)
		}
		if status.Driver.Name != "userspace" {
			t.Errorf("driver %+v; want our own, as there is no kernel module", status.Driver)
		}
	})
	t.Run("services", func(t *testing.T) {
		services := fetch[[]api.Service](m, "/api/system/services")
		if len(services) != 2 {
			t.Errorf("services: %+v; want aes67d and webui", services)
		}
		for _, s := range services {
			if s.State != api.Running || s.Restarts != 0 {
				t.Errorf("service %+v; want it running since its first start", s)
			}
		}
	})
	t.Run("tuning", func(t *testing.T) {
		settings := fetch[[]api.Setting](m, "/api/system/tuning")
		if want := len(x86(t).Tuning); len(settings) != want {
			t.Errorf("%d settings; want %d", len(settings), want)
		}
		got := map[string]string{}
		for _, s := range settings {
			got[s.Name] = s.Got
			if !s.OK {
				t.Errorf("setting %+v is not as wanted", s)
			}
		}
		for _, s := range x86(t).Tuning {
			if s.Kind == board.Sysctl && got[s.Name] != s.Value {
				t.Errorf("%s = %q; want %q", s.Name, got[s.Name], s.Value)
			}
		}
	})
	t.Run("network", func(t *testing.T) {
		interfaces := fetch[[]api.Interface](m, "/api/system/network")
		if len(interfaces) != 1 || !interfaces[0].Up || interfaces[0].Method != api.DHCP || interfaces[0].Addresses[0] != "10.0.2.15/24" {
			t.Errorf("interfaces: %+v; want one with QEMU's DHCP lease", interfaces)
		}
	})
	t.Run("aes67d", func(t *testing.T) {
		if v := fetch[map[string]string](m, "/api/version"); v["version"] != status.Version {
			t.Errorf("aes67d's version = %v; want that of the image, %s", v, status.Version)
		}
		c := fetch[map[string]any](m, "/api/config")
		if c["sap_interval"] != 30.0 || c["status_file"] != "/data/state/aes67d/status.json" || c["ip_addr"] != "10.0.2.15" {
			t.Errorf("aes67d's configuration: %v; want the appliance's", c)
		}
	})
	t.Run("page", func(t *testing.T) {
		if page := m.get("/"); !strings.Contains(page, status.Hostname) || !strings.Contains(page, status.Version) {
			t.Error("the page shows neither name nor version")
		}
	})
	t.Run("dashboard in a browser", func(t *testing.T) { testDashboard(t, m, status) })
	t.Run("no shell", func(t *testing.T) {
		for _, f := range initramfsFiles(t, image(t, "")) {
			if base := filepath.Base(f); base == "sh" || base == "bb" {
				t.Errorf("there is a shell in the image: %s", f)
			}
		}
	})
	t.Run("no complaints at boot", func(t *testing.T) {
		for _, bad := range []string{"unpacking failed", "Kernel panic", "Oops", "BUG:", "Call Trace"} {
			if strings.Contains(m.serial.Text(), bad) {
				t.Errorf("the console shows %q", bad)
			}
		}
	})
	t.Run("power button", func(t *testing.T) {
		m.pressPowerButton()
		m.see(`all is written to the card`)
		m.waitOff()
	})
}

// artefact is where a test leaves something for people to look at.
func artefact(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "out", "test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

package interop

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"aes67os/test/aes67d"
	"aes67os/test/netns"
)

// TestDamagedConfiguration starts the daemon on a damaged configuration, as an appliance
// that lost power long ago has it: it must come up all the same, say why it plays with
// defaults, and keep the file.
func TestDamagedConfiguration(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "daemon.conf")
	const damaged = `{"rtsp_port": 1, "http_po`
	if err := os.WriteFile(file, []byte(damaged), 0o600); err != nil {
		t.Fatal(err)
	}
	defaults := filepath.Join(t.TempDir(), "defaults.conf")
	if err := os.WriteFile(defaults, []byte(`{"syslog_proto": "none", "sap_interval": 30, "status_file": ""}`), 0o600); err != nil {
		t.Fatal(err)
	}
	d := aes67d.StartWith(t, program, netns.New(t), file, "-defaults", defaults)
	var c struct {
		RTSPPort    int `json:"rtsp_port"`
		SAPInterval int `json:"sap_interval"`
	}
	d.Get("/api/config", &c)
	if c.RTSPPort != 8854 || c.SAPInterval != 30 {
		t.Errorf("rtsp_port %d, sap_interval %d; want the defaults, 8854 and 30", c.RTSPPort, c.SAPInterval)
	}
	if b, err := os.ReadFile(file + ".damaged"); err != nil || string(b) != damaged {
		t.Errorf("kept %q, %v; want the file as it was", b, err)
	}
	if !strings.Contains(d.Log(), "level=ERROR") || !strings.Contains(d.Log(), file) {
		t.Errorf("the log does not tell of the damage:\n%s", d.Log())
	}
	d.Must("POST", "/api/config", `{"rtsp_port": 8555}`)
	if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), `"rtsp_port": 8555`) {
		t.Errorf("saved %q, %v; want rtsp_port 8555", b, err)
	}
}

// TestWithoutDriver runs where there is no kernel module, as on this machine.
func TestWithoutDriver(t *testing.T) {
	t.Parallel()
	one, _ := pair(t)
	d := aes67d.Start(t, program, one, nil, "-driver", "ravenna")
	var got driverState
	aes67d.Until(t, "the driver was looked for", func() bool {
		d.Get("/api/driver", &got)
		return strings.Contains(got.Error, "kernel module")
	})
	if got.Name != "ravenna" || got.Available {
		t.Errorf("driver %+v; want ravenna, which is not available", got)
	}
	d.Must("PUT", "/api/source/0", source("Mic", nil))
	if b, err := os.ReadFile(d.Status); err != nil || !strings.Contains(string(b), `"Mic"`) {
		t.Errorf("saved %q, %v; want the source", b, err)
	}
}

// driverState is what /api/driver answers.
type driverState struct {
	Name      string
	Available bool
	Error     string
}

// TestChoosesDriver has the daemon take its own driver, as there is no kernel module, and
// go on when the engine of that ends.
func TestChoosesDriver(t *testing.T) {
	t.Parallel()
	one, _ := pair(t)
	d := aes67d.Start(t, program, one, nil)
	works := func() bool {
		var got driverState
		d.Get("/api/driver", &got)
		return got == driverState{Name: "userspace", Available: true}
	}
	aes67d.Until(t, "the driver works", works)
	engine, err := strconv.Atoi(strings.TrimSpace(one.Run("pgrep", "-P", strconv.Itoa(d.PID()))))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(engine, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	aes67d.Until(t, "the end of the engine is told", func() bool { return strings.Contains(d.Log(), "signal: killed") })
	aes67d.Until(t, "the driver works again", works)
}

// TestPortsMove changes the ports of both servers while the daemon runs.
func TestPortsMove(t *testing.T) {
	t.Parallel()
	one, _ := pair(t)
	d := aes67d.Start(t, program, one, nil, "-driver", "fake")
	d.Must("PUT", "/api/source/0", source("Mic", nil))
	d.Must("POST", "/api/config", `{"http_port": 8081, "rtsp_port": 8555}`)
	sdp := one.Run("curl", "-sf", "http://127.0.0.1:8081/api/source/sdp/0")
	d.Client.CloseIdleConnections()
	if _, _, err := d.Do("GET", "/api/version", ""); err == nil {
		t.Error("the former port still answers")
	}
	out := one.Run("curl", "-sf", "-X", "PUT", "http://127.0.0.1:8081/api/sink/0", "-d",
		sink("Loop", "", map[string]any{"use_sdp": false, "source": "rtsp://127.0.0.1:8555/by-id/0"}))
	if out != "" {
		t.Errorf("answer %q; want none", out)
	}
	if b, err := os.ReadFile(d.Status); err != nil || !strings.Contains(string(b), strings.Trim(strings.ReplaceAll(sdp, "\n", `\n`), `\n`)) {
		t.Errorf("saved %q, %v; want a sink with\n%s", b, err, sdp)
	}
}

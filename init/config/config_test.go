package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aes67os/init/api"
	"aes67os/init/network"
)

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "system.json"), filepath.Join(dir, "aes67os.json")
	write := func(name, content string) {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if c, from, err := Load(File(first), File(second)); err != nil || from != "" || c.Hostname != "" {
		t.Errorf("Load without files = %+v, %q, %v; want defaults", c, from, err)
	}

	write(second, `{"hostname": "studio-1", "password_hash": "of another program",
		"network": {"interfaces": {"eth0": {"method": "static", "address": "192.0.2.10/24", "gateway": "192.0.2.1"}}}}`)
	want := Config{Hostname: "studio-1", Network: network.Config{Interfaces: map[string]network.InterfaceConfig{
		"eth0": {Method: api.Static, Address: "192.0.2.10/24", Gateway: "192.0.2.1"},
	}}}
	c, from, err := Load(File(first), File(second))
	if err != nil || from != second {
		t.Errorf("Load = %q, %v; want the second file", from, err)
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}

	write(first, `{"hostname": "mine"}`)
	if c, from, err := Load(File(first), File(second)); err != nil || from != first || c.Hostname != "mine" {
		t.Errorf("Load = %+v, %q, %v; want the first file", c, from, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, test := range map[string]struct{ content, want string }{
		"no JSON":            {"hostname=x", "not JSON"},
		"a wrong type":       {`{"hostname": 5}`, "not JSON as expected"},
		"a slip of the pen":  {`{"network": {"interfaces": {"eth0": {"gatway": "192.0.2.1"}}}}`, "gatway"},
		"a bad name":         {`{"hostname": "studio 1"}`, "hostname:"},
		"a bad address":      {`{"network": {"interfaces": {"eth0": {"method": "static", "address": "192.0.2.300/24"}}}}`, "address"},
		"a mark and no JSON": {"\ufeffhello", "not JSON"},
		"an empty file":      {"", "not JSON"},
		"an inner dot":       {`{"hostname": "a.b"}`, "inner hyphens"},
		"a name too long":    {`{"hostname": "` + strings.Repeat("a", 64) + `"}`, "1 to 63"},
		"a leading hyphen":   {`{"hostname": "-x"}`, "inner hyphens"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "system.json")
			if err := os.WriteFile(file, []byte(test.content), 0o644); err != nil {
				t.Fatal(err)
			}
			c, _, err := Load(File(file))
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), file) {
				t.Errorf("Load(%s) = %v; want an error with %q and the file's name", test.content, err, test.want)
			}
			if diff := cmp.Diff(Config{}, c); diff != "" {
				t.Errorf("config is not the default (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"hostname": "a", "network": {"interfaces": {"*": {"method": "dhcp"}}}}`))
	f.Add([]byte("\ufeff{}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if c, err := parse(content); err == nil && c.Validate() != nil {
			t.Errorf("parse(%q) took what is not valid", content)
		}
	})
}

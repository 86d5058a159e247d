package rest

import (
	"errors"
	"flag"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"os"
	"testing"

	"aes67os/aes67d/config"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func one() ([]config.Interface, error) {
	return []config.Interface{{
		Name: "eth0", MAC: "02:00:00:00:00:01", Addresses: []netip.Addr{netip.MustParseAddr("192.168.1.10")},
	}}, nil
}

func TestAPI(t *testing.T) {
	const json, text = "application/json", "text/plain; charset=utf-8"
	for _, test := range []struct {
		name         string
		method, path string
		interfaces   func() ([]config.Interface, error)
		status       int
		kind         string
		body         string // empty: the golden file of that name
	}{
		{"version", "GET", "/api/version", one, 200, json, "{\n  \"version\": \"1.2.3\"\n}\n"},
		{"config", "GET", "/api/config", one, 200, json, ""},
		{"no interfaces", "GET", "/api/config", func() ([]config.Interface, error) { return nil, errors.New("no netlink") }, 500, text, "no netlink\n"},
		{"unknown path", "GET", "/api/nothing", one, 404, text, "/api/nothing does not exist here\n"},
		{"method", "DELETE", "/api/config", one, 405, text, "DELETE is not possible on /api/config\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := &API{Version: "1.2.3", Config: config.Default(), Interfaces: test.interfaces, Log: slog.New(slog.DiscardHandler)}
			w := httptest.NewRecorder()
			api.Handler().ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
			if w.Code != test.status || w.Header().Get("Content-Type") != test.kind {
				t.Errorf("%d %s; want %d %s", w.Code, w.Header().Get("Content-Type"), test.status, test.kind)
			}
			want := test.body
			if want == "" {
				want = golden(t, "testdata/"+test.name+".json", w.Body.String())
			}
			if diff := cmp.Diff(want, w.Body.String()); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}

// golden returns the content of a file; with -update it is what we got.
func golden(t *testing.T, file, got string) string {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

package assets

import (
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
)

func TestAssets(t *testing.T) {
	files, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for name := range files {
		if types[path.Ext(name)] == "" {
			t.Errorf("%s has no content type", name)
		}
		address, err := files.Path(name)
		if err != nil {
			t.Fatal(err)
		}
		ask := func(address, etag string) *http.Response {
			r := httptest.NewRequest("GET", address, nil)
			r.Header.Set("If-None-Match", etag)
			w := httptest.NewRecorder()
			files.ServeHTTP(w, r)
			return w.Result()
		}
		hashed := ask(address, "")
		if hashed.StatusCode != http.StatusOK || !strings.Contains(hashed.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %s, Cache-Control %q", address, hashed.Status, hashed.Header.Get("Cache-Control"))
		}
		plain, _, _ := strings.Cut(address, "?")
		if got := ask(plain, "").Header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("%s: Cache-Control %q; want no-cache", plain, got)
		}
		if got := ask(plain+"?old", "").Header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("the address of another version: Cache-Control %q; want no-cache", got)
		}
		if got := ask(plain, hashed.Header.Get("ETag")).StatusCode; got != http.StatusNotModified {
			t.Errorf("%s known already: %d; want 304", plain, got)
		}
	}
	w := httptest.NewRecorder()
	files.ServeHTTP(w, httptest.NewRequest("GET", "/assets/assets.go", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("assets.go: %d; want 404", w.Code)
	}
	if _, err := files.Path("none.js"); err == nil {
		t.Error("Path of a file that does not exist = nil; want an error, so that the page's test finds it")
	}
}

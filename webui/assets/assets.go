// Package assets holds the static files of the page and serves them with an
// address that changes with their content, so that browsers may keep them for ever
// and still see an update at once.
package assets

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"time"
)

//go:embed htmx.min.js htmx.LICENSE app.js style.css icon.svg
var files embed.FS

// types are spelt out because a system without /etc/mime.types knows too few.
var types = map[string]string{
	".js":      "text/javascript; charset=utf-8",
	".css":     "text/css; charset=utf-8",
	".svg":     "image/svg+xml",
	".LICENSE": "text/plain; charset=utf-8",
}

// Assets are the files by name.
type Assets map[string]asset

type asset struct {
	content []byte
	hash    string
}

// Load reads the embedded files.
func Load() (Assets, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("read the embedded files: %w", err)
	}
	all := make(Assets, len(entries))
	for _, e := range entries {
		b, err := files.ReadFile(e.Name())
		if err != nil {
			return nil, fmt.Errorf("read the embedded files: %w", err)
		}
		sum := sha256.Sum256(b)
		all[e.Name()] = asset{content: b, hash: hex.EncodeToString(sum[:8])}
	}
	return all, nil
}

// Path returns where the page finds a file.
func (a Assets) Path(name string) (string, error) {
	file, ok := a[name]
	if !ok {
		return "", fmt.Errorf("there is no asset %q", name)
	}
	return "/assets/" + name + "?" + file.hash, nil
}

// ServeHTTP serves a file by the last part of its path. With the hash that Path
// gives the answer may be kept for a year, without it has to be asked for again.
func (a Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	file, ok := a[name]
	if !ok {
		http.Error(w, name+" does not exist here", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", types[path.Ext(name)])
	h.Set("ETag", `"`+file.hash+`"`)
	if r.URL.RawQuery == file.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(file.content))
}

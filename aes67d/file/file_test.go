package file

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// contents lists the directory's files with what is in them.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = string(b)
	}
	return got
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "settings")
	for _, step := range []struct {
		content string
		mode    fs.FileMode
		want    fs.FileMode
	}{{"one", 0o640, 0o640}, {"two", 0o600, 0o640}} {
		if err := Replace(name, []byte(step.content), step.mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != step.want {
			t.Errorf("mode %v; want %v", info.Mode(), step.want)
		}
		if diff := cmp.Diff(map[string]string{"settings": step.content}, contents(t, dir)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestReplaceThroughLink(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	link, target := filepath.Join(dir, "settings"), filepath.Join(elsewhere, "real")
	if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := Replace(link, []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := os.Readlink(link); err != nil || got != target {
		t.Errorf("link to %q, %v; want %q still", got, err, target)
	}
	if diff := cmp.Diff(map[string]string{"real": "new"}, contents(t, elsewhere)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReplaceFails(t *testing.T) {
	if err := Replace(filepath.Join(t.TempDir(), "none", "settings"), nil, 0o644); err == nil {
		t.Error("Replace in a directory that does not exist = nil; want an error")
	}
	// What cannot be renamed over leaves nothing behind.
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "settings"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Replace(filepath.Join(dir, "settings"), []byte("new"), 0o644); err == nil {
		t.Error("Replace of a directory = nil; want an error")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%d entries, %v; want the directory alone", len(entries), err)
	}
}

func TestSetAside(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "settings")
	want := map[string]string{}
	for n := range kept + 1 {
		content := string(rune('a' + n))
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		aside, err := SetAside(name)
		if err != nil {
			t.Fatal(err)
		}
		want[filepath.Base(aside)] = content
	}
	if diff := cmp.Diff(want, contents(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if want["settings.damaged"] != "a" || want["settings.damaged-10"] != "k" || len(want) != kept {
		t.Errorf("kept %v; want the first as settings.damaged, the last as settings.damaged-10", want)
	}
	if _, err := SetAside(name); err == nil {
		t.Error("SetAside of nothing = nil; want an error")
	}
}

package build

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// committed is when the commits of these tests are made.
var committed = time.Date(2026, 11, 22, 11, 40, 59, 0, time.UTC)

// git runs git in dir as somebody whose settings are unlike git's own.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	at := committed.Format(time.RFC3339)
	cmd := exec.Command("git", append([]string{
		"-C", dir, "-c", "user.name=tester", "-c", "user.email=tester@localhost", "-c", "commit.gpgsign=false",
	}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_DATE="+at, "GIT_COMMITTER_DATE="+at)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// isolate keeps what surrounds a test from git and from the version: a hook's
// environment, and a repository that the temporary directory may be in.
func isolate(t *testing.T) {
	t.Helper()
	for _, name := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "SOURCE_DATE_EPOCH"} {
		t.Setenv(name, "") // so that it is put back at the end
		os.Unsetenv(name)
	}
	t.Setenv("GIT_CEILING_DIRECTORIES", os.TempDir())
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
}

// write puts files, given by their path below dir, there.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// commit makes dir a repository with one commit of all that is in it.
func commit(t *testing.T, dir string) (hash string) {
	t.Helper()
	git(t, dir, "init", "-q")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-q", "-m", "a commit")
	return git(t, dir, "rev-parse", "HEAD")
}

func TestSourceVersion(t *testing.T) {
	isolate(t)
	for _, test := range []struct {
		name   string
		change func(t *testing.T, dir string)
		epoch  string
		want   string // HASH stands for the commit
		time   time.Time
	}{
		{"clean", nil, "", "2026.11.22-1140.HASH", committed},
		{"a file changed", func(t *testing.T, dir string) {
			write(t, dir, map[string]string{"main.go": "changed"})
		}, "", "2026.11.22-1140.HASH-changed", committed},
		{"a change not yet committed", func(t *testing.T, dir string) {
			write(t, dir, map[string]string{"main.go": "changed"})
			git(t, dir, "add", ".")
		}, "", "2026.11.22-1140.HASH-changed", committed},
		{"a file that git does not know", func(t *testing.T, dir string) {
			write(t, dir, map[string]string{"more.go": "package main"})
		}, "", "2026.11.22-1140.HASH-changed", committed},
		{"the image built before", func(t *testing.T, dir string) {
			write(t, dir, map[string]string{"out/image": "new"})
		}, "", "2026.11.22-1140.HASH", committed},
		{"signatures are shown", func(t *testing.T, dir string) {
			git(t, dir, "config", "log.showSignature", "true")
		}, "", "2026.11.22-1140.HASH", committed},
		{"another time wanted", nil, "86400", "1970.01.02-0000.HASH", time.Unix(86400, 0).UTC()},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{"main.go": "package main", ".gitignore": "/out/\n"})
			hash := commit(t, dir)
			if test.change != nil {
				test.change(t, dir)
			}
			t.Setenv("SOURCE_DATE_EPOCH", test.epoch)
			got, err := SourceVersion(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			want := Version{strings.ReplaceAll(test.want, "HASH", hash[:7]), test.time}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("SourceVersion() differs (-want +got):\n%s", diff)
			}
		})
	}
}

// Whoever has a commit has its name: neither the checkout's place nor the settings of
// its git matter.
func TestSourceVersionOfAClone(t *testing.T) {
	isolate(t)
	origin, clone := t.TempDir(), t.TempDir()
	write(t, origin, map[string]string{"main.go": "package main"})
	commit(t, origin)
	git(t, clone, "clone", "-q", origin, ".")
	git(t, clone, "config", "core.abbrev", "12")
	t.Setenv("TZ", "Asia/Tokyo")
	want, err := SourceVersion(t.Context(), origin)
	if err != nil {
		t.Fatal(err)
	}
	got, err := SourceVersion(t.Context(), clone)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("SourceVersion(clone) differs (-origin +clone):\n%s", diff)
	}
}

func TestSourceVersionWithoutGit(t *testing.T) {
	isolate(t)
	noCommit := t.TempDir()
	git(t, noCommit, "init", "-q")
	for _, test := range []struct {
		name, dir, epoch string
		want             Version
		wantErr          []string
	}{
		{name: "time given", dir: t.TempDir(), epoch: "1700000000",
			want: Version{"2023.11.14-2213.source", time.Unix(1700000000, 0).UTC()}},
		{name: "no repository", dir: t.TempDir(), wantErr: []string{"set SOURCE_DATE_EPOCH", "not a git repository"}},
		{name: "no commit", dir: noCommit, wantErr: []string{"set SOURCE_DATE_EPOCH", "does not have any commits yet"}},
		{name: "no such directory", dir: "/nonexistent", wantErr: []string{"set SOURCE_DATE_EPOCH", "/nonexistent"}},
		{name: "no time", dir: t.TempDir(), epoch: "yesterday", wantErr: []string{`SOURCE_DATE_EPOCH is "yesterday", not a number`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("SOURCE_DATE_EPOCH", test.epoch)
			got, err := SourceVersion(t.Context(), test.dir)
			wantError(t, err, test.wantErr...)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("SourceVersion() differs (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("git is not installed", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		_, err := SourceVersion(t.Context(), t.TempDir())
		wantError(t, err, "set SOURCE_DATE_EPOCH", "executable file not found")
	})
}

// wantError checks that err says all of parts; without parts, that there is none.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if (err != nil) != (len(parts) > 0) {
		t.Fatalf("error is %v; want one with %q", err, parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error is %q; want it to have %q", err, part)
		}
	}
}

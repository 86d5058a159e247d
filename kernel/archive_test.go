package kernel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeApt stands for apt-get and apt-cache. It keeps what it is asked in a log,
// answers from files beside it, and, like the real one, leaves a download in the
// working directory and tells of its progress on the descriptor it is given.
const fakeApt = `#!/bin/sh
here=$(dirname "$0")
echo "${0##*/} $*" >>"$here/log"
if [ -e "$here/broken" ]; then cat "$here/broken" >&2; exit 100; fi
case "$*" in
indextargets*)
	cat "$here/mirrors" ;;
*" update")
	conf=$2
	cp "$conf" "$here/apt.conf"; cp "$(dirname "$conf")/sources.list" "$here/sources.list" ;;
*" show --no-all-versions "*)
	for name; do :; done
	cat "$here/show.$name" || { echo "E: No packages found" >&2; exit 100; } ;;
*" download "*)
	shift $(($# - 2))
	echo "pmstatus:other:1:line" >&3
	echo "dlstatus:1:50.0000:Retrieving file 1 of 1" >&3
	cp "$here/${1%%=*}.deb" "${1%%=*}_1.0-1_amd64.deb" ;;
*)
	echo "unexpected: $*" >&2; exit 1 ;;
esac
`

// aptHost is a host with the fake apt, an archive, and a checkout.
type aptHost struct {
	t   *testing.T
	dir string // of the fake and its answers
	Archive
}

func newAptHost(t *testing.T) *aptHost {
	t.Helper()
	dir := t.TempDir()
	h := &aptHost{t: t, dir: filepath.Join(dir, "bin"), Archive: Archive{
		Arch: "amd64", Cache: filepath.Join(dir, "cache"),
		LockFile: filepath.Join(dir, "lock.json"), Keyring: filepath.Join(dir, "keyring.gpg"),
	}}
	if err := os.Mkdir(h.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h.write(h.Keyring, "keys")
	for _, program := range []string{"apt-get", "apt-cache"} {
		h.write(filepath.Join(h.dir, program), fakeApt)
		if err := os.Chmod(filepath.Join(h.dir, program), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h.write(filepath.Join(h.dir, "mirrors"), "http://security.example/ Debian Debian-Security\n"+
		"http://tools.example/ Tools Tools\nhttp://debian.example/debian/ Debian Debian\n")
	t.Setenv("PATH", h.dir+":"+os.Getenv("PATH"))
	return h
}

func (h *aptHost) write(file, text string) {
	h.t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func (h *aptHost) read(name string) string {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.dir, name))
	if err != nil && !os.IsNotExist(err) {
		h.t.Fatal(err)
	}
	return string(data)
}

// publish puts a package into the archive; contents make its hash.
func (h *aptHost) publish(name, version, contents string) (sha string) {
	h.t.Helper()
	sum := sha256.Sum256([]byte(contents))
	sha = hex.EncodeToString(sum[:])
	h.write(filepath.Join(h.dir, name+".deb"), contents)
	h.write(filepath.Join(h.dir, "show."+name), fmt.Sprintf("Package: %s\nVersion: %s\nSize: %d\nSHA256: %s\nDescription: a\n package\n", name, version, len(contents), sha))
	return sha
}

// publishMeta puts a kernel metapackage into the archive.
func (h *aptHost) publishMeta(name, depends string) {
	h.t.Helper()
	h.write(filepath.Join(h.dir, "show."+name), fmt.Sprintf("Package: %s\nVersion: 1\nDepends: %s (= 1)\nSize: 10\nSHA256: %064d\n", name, depends, 0))
}

// cached lists what is in the cache.
func (h *aptHost) cached() []string {
	h.t.Helper()
	entries, err := os.ReadDir(h.Cache)
	if err != nil {
		h.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// lockedArchive is a host whose lock and cache have the kernel and a tool.
func lockedArchive(t *testing.T) (*aptHost, []Package) {
	t.Helper()
	h := newAptHost(t)
	h.publishMeta("linux-image-rt-amd64", "linux-image-6.12-rt-amd64")
	h.publish("linux-image-6.12-rt-amd64", "6.12.1-1", "a kernel")
	h.publish("systemd-boot-efi", "1:257-1", "a stub")
	h.UpdateLock = true
	packages, err := h.Fetch(context.Background(), "linux-image-rt-amd64", "systemd-boot-efi")
	if err != nil {
		t.Fatal(err)
	}
	h.UpdateLock = false
	return h, packages
}

func TestFetchUpdatesLock(t *testing.T) {
	h, got := lockedArchive(t)
	sha := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	want := []Package{
		{
			Name: "linux-image-rt-amd64", Concrete: "linux-image-6.12-rt-amd64", Version: "6.12.1-1", Arch: "amd64",
			SHA256: sha("a kernel"), Size: 8, Path: filepath.Join(h.Cache, "linux-image-6.12-rt-amd64_6.12.1-1_amd64.deb"),
		},
		{
			Name: "systemd-boot-efi", Concrete: "systemd-boot-efi", Version: "1:257-1", Arch: "amd64",
			SHA256: sha("a stub"), Size: 6, Path: filepath.Join(h.Cache, "systemd-boot-efi_1%3a257-1_amd64.deb"),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Fetch() differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"linux-image-6.12-rt-amd64_6.12.1-1_amd64.deb", "systemd-boot-efi_1%3a257-1_amd64.deb"}, h.cached()); diff != "" {
		t.Errorf("the cache differs (-want +got):\n%s", diff)
	}
	lock, err := os.ReadFile(h.LockFile)
	if err != nil {
		t.Fatal(err)
	}
	wantLock := `{
	"suite": "trixie",
	"packages": {
		"amd64": {
			"linux-image-rt-amd64": {
				"package": "linux-image-6.12-rt-amd64",
				"version": "6.12.1-1",
				"sha256": "` + sha("a kernel") + `",
				"size": 8
			},
			"systemd-boot-efi": {
				"package": "systemd-boot-efi",
				"version": "1:257-1",
				"sha256": "` + sha("a stub") + `",
				"size": 6
			}
		}
	}
}
`
	if diff := cmp.Diff(wantLock, string(lock)); diff != "" {
		t.Errorf("the lock file differs (-want +got):\n%s", diff)
	}
	want1 := fmt.Sprintf("deb [arch=amd64 signed-by=%s] http://debian.example/debian/ trixie main\n", h.Keyring)
	if diff := cmp.Diff(want1, h.read("sources.list")); diff != "" {
		t.Errorf("sources.list differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(aptConf, h.read("apt.conf")); diff != "" {
		t.Errorf("apt.conf differs (-want +got):\n%s", diff)
	}
}

func TestFetchKeepsTheOtherArchitecture(t *testing.T) {
	h, _ := lockedArchive(t)
	h.Arch, h.UpdateLock, h.Mirror = "arm64", true, "http://mirror.example/"
	h.publish("u-boot-sunxi", "2025.01", "a boot loader")
	if _, err := h.Fetch(context.Background(), "u-boot-sunxi"); err != nil {
		t.Fatal(err)
	}
	lock, err := readLock(h.LockFile)
	if err != nil {
		t.Fatal(err)
	}
	if len(lock.Packages["amd64"]) != 2 || len(lock.Packages["arm64"]) != 1 {
		t.Errorf("the lock file has %v", lock.Packages)
	}
	if got := h.read("sources.list"); !strings.Contains(got, "arch=arm64") || !strings.Contains(got, " http://mirror.example/ trixie main") {
		t.Errorf("sources.list is %q", got)
	}
}

func TestFetchFromCacheRunsNoApt(t *testing.T) {
	h, want := lockedArchive(t)
	if err := os.Remove(filepath.Join(h.dir, "log")); err != nil {
		t.Fatal(err)
	}
	h.write(filepath.Join(h.dir, "broken"), "E: no network")
	got, err := h.Fetch(context.Background(), "linux-image-rt-amd64", "systemd-boot-efi")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Fetch() differs (-want +got):\n%s", diff)
	}
	if log := h.read("log"); log != "" {
		t.Errorf("apt was asked:\n%s", log)
	}
}

func TestFetchReplacesDamagedCache(t *testing.T) {
	for name, contents := range map[string]string{"cut short": "a ker", "changed": "A kernel"} {
		t.Run(name, func(t *testing.T) {
			h, packages := lockedArchive(t)
			h.write(packages[0].Path, contents)
			if _, err := h.Fetch(context.Background(), "linux-image-rt-amd64"); err != nil {
				t.Fatal(err)
			}
			if data, _ := os.ReadFile(packages[0].Path); string(data) != "a kernel" {
				t.Errorf("the cache has %q", data)
			}
		})
	}
}

func TestFetchNewerInArchive(t *testing.T) {
	h, packages := lockedArchive(t)
	if err := os.Remove(packages[0].Path); err != nil {
		t.Fatal(err)
	}
	h.publishMeta("linux-image-rt-amd64", "linux-image-6.13-rt-amd64")
	h.publish("linux-image-6.13-rt-amd64", "6.13.1-1", "a newer kernel")
	before, err := os.ReadFile(h.LockFile)
	if err != nil {
		t.Fatal(err)
	}

	_, err = h.Fetch(context.Background(), "linux-image-rt-amd64", "systemd-boot-efi")
	var newer *LockError
	if !errors.As(err, &newer) {
		t.Fatalf("Fetch() = %v; want a LockError", err)
	}
	want := LockError{
		Name: "linux-image-rt-amd64", Arch: "amd64",
		Locked:  "linux-image-6.12-rt-amd64 6.12.1-1 (sha256 4fff0d3e643b)",
		Archive: "linux-image-6.13-rt-amd64 6.13.1-1 (sha256 ba90008cf98a)",
	}
	if diff := cmp.Diff(want, *newer); diff != "" {
		t.Errorf("error differs (-want +got):\n%s", diff)
	}
	if text := err.Error(); !strings.HasSuffix(text, "run `firmware build -update-lock`") {
		t.Errorf("error is %q; want it to say what to do", text)
	}
	if after, _ := os.ReadFile(h.LockFile); string(after) != string(before) {
		t.Error("the lock file has changed")
	}
	if diff := cmp.Diff([]string{"systemd-boot-efi_1%3a257-1_amd64.deb"}, h.cached()); diff != "" {
		t.Errorf("the cache differs (-want +got):\n%s", diff)
	}

	h.UpdateLock = true
	got, err := h.Fetch(context.Background(), "linux-image-rt-amd64")
	if err != nil || got[0].Version != "6.13.1-1" {
		t.Errorf("Fetch() with UpdateLock = %v, %v; want 6.13.1-1", got, err)
	}
}

func TestFetchNotLocked(t *testing.T) {
	h := newAptHost(t)
	_, err := h.Fetch(context.Background(), "linux-image-rt-amd64")
	var unknown *NotLockedError
	if !errors.As(err, &unknown) || *unknown != (NotLockedError{"linux-image-rt-amd64", "amd64"}) {
		t.Errorf("Fetch() = %v; want a NotLockedError", err)
	}
	if log := h.read("log"); log != "" {
		t.Errorf("apt was asked:\n%s", log)
	}
}

func TestFetchProgress(t *testing.T) {
	h, packages := lockedArchive(t)
	if err := os.Remove(packages[0].Path); err != nil {
		t.Fatal(err)
	}
	var got []string
	h.Progress = func(step string, done, total int64) { got = append(got, fmt.Sprintf("%s %d/%d", step, done, total)) }
	if _, err := h.Fetch(context.Background(), "linux-image-rt-amd64"); err != nil {
		t.Fatal(err)
	}
	want := []string{"download linux-image-6.12-rt-amd64 4/8", "download linux-image-6.12-rt-amd64 8/8"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("progress differs (-want +got):\n%s", diff)
	}
}

func TestFetchFails(t *testing.T) {
	tests := []struct {
		name   string
		damage func(h *aptHost)
		want   string
	}{
		{
			"no keyring",
			func(h *aptHost) { os.Remove(h.Keyring) },
			"install the package debian-archive-keyring",
		},
		{
			"apt fails",
			func(h *aptHost) { h.write(filepath.Join(h.dir, "broken"), "E: the disk is full") },
			"exit status 100: E: the disk is full",
		},
		{
			"apt cannot update",
			func(h *aptHost) {
				h.Mirror = "http://debian.example/"
				h.write(filepath.Join(h.dir, "broken"), "E: no route to host")
			},
			"list the packages of Debian trixie for amd64 at http://debian.example/: apt-get: exit status 100: E: no route to host",
		},
		{
			"no Debian",
			func(h *aptHost) {
				h.write(filepath.Join(h.dir, "mirrors"), "http://security.example/ Debian Debian-Security\n$(REPO_URI) $(ORIGIN) $(LABEL)\n")
			},
			"run `apt-get update` if it never ran, or give -mirror URL",
		},
		{
			"no apt",
			func(h *aptHost) { h.t.Setenv("PATH", h.Cache) },
			"apt-get is not installed",
		},
		{
			"no such package",
			func(h *aptHost) { os.Remove(filepath.Join(h.dir, "show.systemd-boot-efi")) },
			"look up package systemd-boot-efi: apt-cache: exit status 100",
		},
		{
			"empty answer",
			func(h *aptHost) { h.write(filepath.Join(h.dir, "show.systemd-boot-efi"), "\n") },
			"the archive has no package systemd-boot-efi",
		},
		{
			"no hash",
			func(h *aptHost) {
				h.write(filepath.Join(h.dir, "show.systemd-boot-efi"), "Package: systemd-boot-efi\nSize: 3\n")
			},
			"has no size or sha256",
		},
		{
			"broken download",
			func(h *aptHost) { h.write(filepath.Join(h.dir, "systemd-boot-efi.deb"), "a stab") },
			"has sha256",
		},
		{
			"short download",
			func(h *aptHost) { h.write(filepath.Join(h.dir, "systemd-boot-efi.deb"), "a") },
			"has 1 bytes, must have 6",
		},
		{
			"lock of another suite",
			func(h *aptHost) { h.Suite = "forky" },
			"is of suite trixie, not forky",
		},
		{
			"damaged lock",
			func(h *aptHost) { h.write(h.LockFile, "{") },
			"lock file",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, packages := lockedArchive(t)
			if err := os.Remove(packages[1].Path); err != nil {
				t.Fatal(err)
			}
			tt.damage(h)
			_, err := h.Fetch(context.Background(), "systemd-boot-efi")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Fetch() = %v; want %s", err, tt.want)
			}
			if diff := cmp.Diff([]string{filepath.Base(packages[0].Path)}, h.cached()); diff != "" {
				t.Errorf("the cache differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFetchInterrupted(t *testing.T) {
	h, packages := lockedArchive(t)
	if err := os.Remove(packages[0].Path); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.Progress = func(string, int64, int64) { cancel() }
	// A download that goes on until somebody ends it.
	h.write(filepath.Join(h.dir, "apt-get"), strings.Replace(fakeApt, `cp "$here/${1%%=*}.deb"`, "exec sleep 1000; :", 1))
	if _, err := h.Fetch(ctx, "linux-image-rt-amd64"); !errors.Is(err, context.Canceled) {
		t.Errorf("Fetch() = %v; want context.Canceled", err)
	}
	if diff := cmp.Diff([]string{filepath.Base(packages[1].Path)}, h.cached()); diff != "" {
		t.Errorf("the cache differs (-want +got):\n%s", diff)
	}
}

// The lock file of this commit is one that Fetch accepts.
func TestLockFile(t *testing.T) {
	lock, err := readLock("lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if lock.Suite != DefaultSuite || len(lock.Packages) == 0 {
		t.Errorf("suite %q, %d architectures", lock.Suite, len(lock.Packages))
	}
	for arch, packages := range lock.Packages {
		for name, p := range packages {
			if p.Package == "" || p.Version == "" || len(p.SHA256) != 64 || p.Size <= 0 {
				t.Errorf("%s for %s is %+v", name, arch, p)
			}
		}
	}
}

package build

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"aes67os/board"
	"aes67os/firmware/disk"
	"aes67os/firmware/uki"
)

// contents reads every file of a directory, by name.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

func TestImage(t *testing.T) {
	var progress strings.Builder
	o := newSource(t).options(t, &progress)
	r, err := Image(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Result{r.Version, filepath.Join(o.Out, "aes67os-test.img"), filepath.Join(o.Out, "aes67os-test.img.zst")}); r != want {
		t.Errorf("Image() = %+v; want %+v", r, want)
	}
	stages := regexp.MustCompile(`(?m)^(\w+) `).FindAllString(progress.String(), -1)
	if got, want := strings.Join(stages, ""), "aes67os fetch unpack programs initramfs kernel disk sbom compress all "; got != want {
		t.Errorf("lines of progress are %q; want %q", got, want)
	}

	files := contents(t, o.Out)
	var names string
	for _, line := range []string{"aes67os-test.img", "aes67os-test.img.zst", "aes67os-test.sbom.json", "aes67os-test.notices.txt"} {
		names += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(files[line])), line)
	}
	if diff := cmp.Diff(names, files["aes67os-test.SHA256SUMS"]); diff != "" || len(files) != 5 {
		t.Errorf("SHA256SUMS of %d files (-want +got):\n%s", len(files), diff)
	}
	if got := unzstd(t, []byte(files["aes67os-test.img.zst"])); got != files["aes67os-test.img"] {
		t.Error("the compressed image is not the image")
	}

	// Built again from another place and by somebody with other habits, it is the same.
	t.Setenv("GOAMD64", "v3")
	t.Setenv("GOFLAGS", "-ldflags=-w")
	t.Setenv("TZ", "Asia/Tokyo")
	again := o
	again.Source, again.Out = t.TempDir(), filepath.Join(t.TempDir(), "again")
	git(t, again.Source, "clone", "-q", o.Source, ".")
	again.Progress = io.Discard
	if _, err := Image(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	second := contents(t, again.Out)
	for name := range files {
		if files[name] != second[name] {
			t.Errorf("%s differs between two builds of one commit", name)
		}
	}
}

func TestImageContents(t *testing.T) {
	s := newSource(t)
	o := s.options(t, io.Discard)
	o.RavennaModule = filepath.Join(t.TempDir(), "their.ko")
	write(t, filepath.Dir(o.RavennaModule), map[string]string{"their.ko": module("Merging-RavennaALSA", "depends=soundcore")})
	r, err := Image(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	d, parts := openUKI(t, r.Image)
	want := diskFiles{
		Partitions: []disk.Partition{
			{Name: board.BootPartition, Start: 4 << 20, Size: 36 << 20, Type: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"},
			{Name: board.DataPartition, Start: 40 << 20, Size: 1 << 20, Type: "0FC63DAF-8483-4772-8E79-3D69D8477DE4"},
		},
		Files: map[string]string{
			"EFI/BOOT/BOOTX64.EFI":                         "the loader",
			"EFI/Linux/aes67os_" + r.Version.Name + ".efi": "",
			"loader/loader.conf":                           "timeout 0\neditor no\n",
		},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("disk (-want +got):\n%s", diff)
	}

	last := len(parts) - 1
	system := unpack(t, parts[last].Data)
	parts[last].Data = nil
	wantParts := []uki.Section{
		{Name: ".text", Data: make([]byte, 0x200)},
		{Name: ".osrel", Data: []byte(osRelease(s.board, r.Version))},
		{Name: ".cmdline", Data: []byte("quiet panic=10")},
		{Name: ".uname", Data: []byte(testRelease)},
		{Name: ".linux", Data: []byte("the kernel")},
		{Name: ".initrd"},
	}
	if diff := cmp.Diff(wantParts, parts); diff != "" {
		t.Errorf("slot file (-want +got):\n%s", diff)
	}

	// The modules asked for, what they depend on, and the user's.
	var modules []string
	for name := range system {
		if module, ok := strings.CutSuffix(name, board.ModuleSuffix); ok {
			modules = append(modules, strings.TrimPrefix(module, "lib/modules/"+testRelease+"/"))
		}
	}
	slices.Sort(modules)
	wantModules := []string{"kernel/sound/snd-test.ko", "kernel/sound/soundcore.ko", "updates/Merging_RavennaALSA.ko"}
	if diff := cmp.Diff(wantModules, modules); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}
	for _, program := range []string{"init", "bin/aes67d", "bin/webui"} {
		n := system[program]
		if n.Mode != "100755" || !strings.HasPrefix(n.Data, "\x7fELF") || !strings.Contains(n.Data, r.Version.Name) {
			t.Errorf("%s is no program of version %s: mode %s, %d bytes", program, r.Version.Name, n.Mode, len(n.Data))
		}
	}
	var release board.Release
	if err := json.Unmarshal([]byte(system["etc/aes67os.json"].Data), &release); err != nil {
		t.Fatal(err)
	}
	wantRelease := board.Release{Board: "test", Version: r.Version.Name, Time: committed, RavennaModule: "Merging_RavennaALSA"}
	if diff := cmp.Diff(wantRelease, release); diff != "" {
		t.Errorf("release (-want +got):\n%s", diff)
	}
}

// A build that fails leaves the image of the build before, and nothing of its own.
func TestImageFails(t *testing.T) {
	for _, test := range []struct {
		name    string
		source  func(*source)
		options func(*Options)
		// endedBy is the line of progress after which the build is interrupted.
		endedBy string
		want    []string
	}{
		{
			name:    "source without time",
			options: func(o *Options) { o.Source = "/nonexistent" },
			want:    []string{"SOURCE_DATE_EPOCH"},
		},
		{
			name:    "package not locked",
			options: func(o *Options) { o.Board.BootPackage = "another" },
			want:    []string{"fetch: another for amd64", "-update-lock"},
		},
		{
			name:    "kernel lacks an option",
			options: func(o *Options) { o.Board.KernelConfig = map[string]string{"CONFIG_PTP": "ym"} },
			want:    []string{"unpack: ", "CONFIG_PTP=n (must be y or m)"},
		},
		{
			name:   "boot package lacks a file",
			source: func(s *source) { delete(s.boot, bootDir+"linuxx64.efi.stub") },
			want:   []string{"unpack: ", "systemd-boot-efi", "linuxx64.efi.stub"},
		},
		{
			name:    "RAVENNA module is none",
			options: func(o *Options) { o.RavennaModule = "/dev/null" },
			want:    []string{"unpack: /dev/null: not a kernel module"},
		},
		{
			name:   "program does not compile",
			source: func(s *source) { s.files["webui/main.go"] = "package main\n\nfunc main() { oops }\n" },
			want:   []string{"programs: go build: ", "main.go:3", "oops"},
		},
		{
			name:    "module is missing",
			options: func(o *Options) { o.Board.Modules = []string{"e1000e"} },
			want:    []string{"initramfs: ", "e1000e"},
		},
		{
			name:   "stub is no EFI program",
			source: func(s *source) { s.boot[bootDir+"linuxx64.efi.stub"] = "stub" },
			want:   []string{"kernel: ", "not a PE file"},
		},
		{
			name:   "system does not fit",
			source: func(s *source) { s.boot[bootDir+"systemd-bootx64.efi"] = strings.Repeat("loader", 6<<20) },
			want:   []string{"disk: ", "partition aes67os-boot"},
		},
		{
			name:    "interrupted while packing",
			endedBy: "sbom",
			want:    []string{"compress: context canceled"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			temp := t.TempDir()
			s := newSource(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			progress := writerFunc(func(line []byte) {
				if test.endedBy != "" && bytes.HasPrefix(line, []byte(test.endedBy)) {
					cancel()
				}
			})
			if test.source != nil {
				test.source(s)
			}
			o := s.options(t, progress)
			if test.options != nil {
				test.options(&o)
			}
			former := map[string]string{"aes67os-test.img": "former image", "aes67os-test.SHA256SUMS": "former sums"}
			write(t, o.Out, former)

			t.Setenv("TMPDIR", temp)
			_, err := Image(ctx, o)
			wantError(t, err, test.want...)
			if diff := cmp.Diff(former, contents(t, o.Out)); diff != "" {
				t.Errorf("out (-before +after):\n%s", diff)
			}
			if left := contents(t, temp); len(left) > 0 {
				t.Errorf("temporary files are left: %v", left)
			}
		})
	}
}

func TestCompress(t *testing.T) {
	for name, size := range map[string]int{"empty": 0, "small": 1000, "more than a step": 16<<20 + 1} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			text := strings.Repeat("0123456789abcdef", size/16+1)[:size]
			write(t, dir, map[string]string{"a.img": text})
			var told int
			sums, written, err := compress(t.Context(), filepath.Join(dir, "a.img"), filepath.Join(dir, "a.img.zst"), func(string) { told++ })
			if err != nil {
				t.Fatal(err)
			}
			packed := contents(t, dir)["a.img.zst"]
			if int64(len(packed)) != written {
				t.Errorf("compress() says %d bytes; the file has %d", written, len(packed))
			}
			if unzstd(t, []byte(packed)) != text {
				t.Error("the file does not unpack to what was packed")
			}
			want := fmt.Sprintf("%x  a.img\n%x  a.img.zst\n", sha256.Sum256([]byte(text)), sha256.Sum256([]byte(packed)))
			if diff := cmp.Diff(want, sums); diff != "" {
				t.Errorf("sums (-want +got):\n%s", diff)
			}
			if want := (size + 16<<20 - 1) / (16 << 20); told != want {
				t.Errorf("progress was told %d times; want %d", told, want)
			}
		})
	}
}

func TestCompressFails(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.img": "text"})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name, image, packed string
		ctx                 context.Context
		want                error
	}{
		{"no image", "b.img", "b.zst", t.Context(), os.ErrNotExist},
		{"no such directory", "a.img", "no/b.zst", t.Context(), os.ErrNotExist},
		{"interrupted", "a.img", "b.zst", ended, context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := compress(test.ctx, filepath.Join(dir, test.image), filepath.Join(dir, test.packed), func(string) {})
			if !errors.Is(err, test.want) {
				t.Errorf("compress() = %v; want %v", err, test.want)
			}
		})
	}
}

func unzstd(t *testing.T, packed []byte) string {
	t.Helper()
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	plain, err := z.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// writerFunc is told of everything that is written.
type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

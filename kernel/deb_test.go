package kernel

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExtract(t *testing.T) {
	for _, suffix := range []string{".xz", ".zst", ".gz", ""} {
		t.Run("data.tar"+suffix, func(t *testing.T) {
			pkg := onDisk(t, "hello", makeDeb(t, "hello", suffix,
				tarEntry{name: "./usr/", kind: tar.TypeDir},
				file("./usr/lib/stub.efi", "stub"),
				file("./usr/share/doc/hello/copyright", "GPL"),
				tarEntry{name: "./usr/lib/link", kind: tar.TypeSymlink, link: "/etc/passwd"},
				file("./usr/share/doc/hello/changelog", "new"),
			))
			got, err := pkg.Extract("usr/lib/stub.efi", "usr/share/doc/*/copyright")
			if err != nil {
				t.Fatal(err)
			}
			want := map[string][]byte{"usr/lib/stub.efi": []byte("stub"), "usr/share/doc/hello/copyright": []byte("GPL")}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Extract() differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExtractMissing(t *testing.T) {
	pkg := onDisk(t, "hello", makeDeb(t, "hello", ".gz",
		file("./here", ""), tarEntry{name: "./usr/lib/link", kind: tar.TypeSymlink, link: "here"}))
	_, err := pkg.Extract("here", "usr/lib/link", "usr/*.efi")
	const want = "package hello 1.0-1 has no usr/lib/link, usr/*.efi: file does not exist"
	if err == nil || err.Error() != want || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Extract() = %v; want %s", err, want)
	}
	if _, err := pkg.Extract("[", "here"); err == nil {
		t.Error("Extract([) = nil; want an error")
	}
}

func TestExtractOtherPackage(t *testing.T) {
	pkg := onDisk(t, "hello", makeDeb(t, "goodbye", ".gz"))
	_, err := pkg.Extract()
	if want := "package is goodbye 1.0-1, not hello 1.0-1"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("Extract() = %v; want %s", err, want)
	}
}

func TestHostilePackages(t *testing.T) {
	good := makeDeb(t, "hello", ".gz", file("./a", "contents"))
	binary2 := entry{"debian-binary", []byte("2.0\n")}
	control := entry{"control.tar", makeTar(t, file("control", "Package: hello\n"))}
	tests := []struct {
		name string
		deb  []byte
		want string
	}{
		{"empty", nil, "no ar archive"},
		{"text", []byte("#!/bin/sh\nexit 0\n"), "no ar archive"},
		{"no members", []byte(arMagic), "no debian-binary"},
		{"within a header", good[:len(arMagic)+20], "ends within a header at byte 8"},
		{"within a member", good[:len(good)-1], "claims"},
		{"no header", append([]byte(arMagic), make([]byte, arHeaderSize)...), "no header at byte 8"},
		{"negative size", []byte(arMagic + "debian-binary   0           0     0     100644  -4        `\n2.0\n"), "has no size"},
		{"huge size", []byte(arMagic + "debian-binary   0           0     0     100644  9999999999`\n2.0\n"), "claims 9999999999 bytes"},
		{"twice", makeAr(binary2, binary2), "twice"},
		{"many members", makeAr(make([]entry, arMaxMembers+1)...), "twice"},
		{"old format", makeAr(entry{"debian-binary", []byte("0.939000\n")}), "is not 2.x"},
		{"no control", makeAr(binary2), "no control.tar"},
		{"empty control", makeAr(binary2, entry{"control.tar", makeTar(t)}), "no control file"},
		{"no data", makeAr(binary2, control), "no data.tar"},
		{"no tar", makeAr(binary2, control, entry{"data.tar.gz", []byte("hello")}), "data.tar.gz"},
		{"parent", makeAr(binary2, control, entry{"data.tar", makeTar(t, file("./../etc/passwd", ""))}), "not a path below the root"},
		{"middle", makeAr(binary2, control, entry{"data.tar", makeTar(t, file("./usr/../../etc/passwd", ""))}), "not a path below the root"},
		{"absolute", makeAr(binary2, control, entry{"data.tar", makeTar(t, file("/etc/passwd", ""))}), "not a path below the root"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := readPackage(tt.deb, maxUnpacked)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("reading it = %v; want %s", err, tt.want)
			}
		})
	}
	if err := readPackage(good, maxUnpacked); err != nil {
		t.Errorf("reading a good one = %v", err)
	}
}

// A small package may unpack to any size; the limit ends that.
func TestUnpackedSizeIsBounded(t *testing.T) {
	bomb := makeDeb(t, "hello", ".gz", file("./zeros", strings.Repeat("\x00", 1<<20)))
	if err := readPackage(bomb, 2<<20); err != nil {
		t.Errorf("reading 1 MiB with a limit of 2 = %v", err)
	}
	if err := readPackage(bomb, 1<<19); err == nil || !strings.Contains(err.Error(), "larger than 524288 bytes") {
		t.Errorf("reading 1 MiB with a limit of 1/2 = %v; want it refused", err)
	}
}

func TestReadAll(t *testing.T) {
	if got, err := readAll(strings.NewReader("1234"), 4); err != nil || string(got) != "1234" {
		t.Errorf("readAll(4 bytes, limit 4) = %q, %v", got, err)
	}
	if _, err := readAll(strings.NewReader("12345"), 4); err == nil {
		t.Error("readAll(5 bytes, limit 4) = nil; want an error")
	}
}

// readPackage reads all of a package.
func readPackage(deb []byte, limit int64) error {
	d, err := newDeb(bytes.NewReader(deb), int64(len(deb)))
	if err != nil {
		return err
	}
	d.limit = limit
	if _, err := d.control(); err != nil {
		return err
	}
	return d.walk("data.tar", nil, func(name string, _ int64, r io.Reader) error {
		if !fs.ValidPath(name) {
			panic("walk calls back with " + name)
		}
		_, err := io.Copy(io.Discard, r)
		return err
	})
}

func FuzzDeb(f *testing.F) {
	for _, suffix := range []string{"", ".gz", ".xz", ".zst"} {
		f.Add(makeDeb(f, "hello", suffix, file("./usr/lib/stub.efi", "stub"), file("./b", "")))
	}
	f.Fuzz(func(t *testing.T, deb []byte) {
		// Whatever it is, it is read or refused, and within bounds.
		readPackage(deb, 16<<20)
	})
}

func FuzzControl(f *testing.F) {
	f.Add([]byte("Package: linux-image-rt-amd64\nDepends: linux-image-6.12 (= 1)\n\nPackage: b\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, fields := range parseControl(text) {
			if len(fields) == 0 {
				t.Error("a stanza without fields")
			}
			concreteKernel(fields)
		}
	})
}

func TestConcreteKernel(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"metapackage", "Package: linux-image-rt-amd64\nDepends: linux-image-6.12.107+deb13-rt-amd64 (= 6.12.107-1)\n", "linux-image-6.12.107+deb13-rt-amd64"},
		{"with others", "Package: linux-image-amd64\nDepends: firmware, linux-image-6.12-amd64\n", "linux-image-6.12-amd64"},
		{"kernel", "Package: linux-image-6.12-amd64\nDepends: kmod, linux-initramfs-tool\n", ""},
		{"ambiguous", "Package: linux-image-x\nDepends: linux-image-1, linux-image-2\n", ""},
		{"other package", "Package: tools\nDepends: linux-image-6.12-amd64\n", ""},
	} {
		if got := concreteKernel(parseControl([]byte(tt.text))[0]); got != tt.want {
			t.Errorf("%s: concreteKernel() = %q; want %q", tt.name, got, tt.want)
		}
	}
}

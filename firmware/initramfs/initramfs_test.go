package initramfs

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sample() *Files {
	var f Files
	f.Add("lib/modules/6.12/kernel/a.ko", []byte("module"), 0o644)
	f.Add("init", []byte("program"), 0o755)
	f.Link("etc/resolv.conf", "/run/resolv.conf")
	f.Device("dev/console", 0o600, 5, 1)
	f.Dir("tmp", 0o1777)
	return &f
}

func TestWriteAndRead(t *testing.T) {
	var packed bytes.Buffer
	if err := sample().Write(&packed); err != nil {
		t.Fatal(err)
	}
	files, err := Read(packed.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	type entry struct {
		Name, Data string
		Dir        bool
	}
	var got []entry
	for _, f := range files {
		got = append(got, entry{f.Name, string(f.Data), f.Dir})
	}
	// Every directory stands before what is in it.
	want := []entry{
		{"dev", "", true}, {"dev/console", "", false},
		{"etc", "", true}, {"etc/resolv.conf", "/run/resolv.conf", false},
		{"init", "program", false},
		{"lib", "", true}, {"lib/modules", "", true}, {"lib/modules/6.12", "", true},
		{"lib/modules/6.12/kernel", "", true}, {"lib/modules/6.12/kernel/a.ko", "module", false},
		{"tmp", "", true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("archive (-want +got):\n%s", diff)
	}
}

func TestWriteIsReproducible(t *testing.T) {
	var first, second bytes.Buffer
	if err := sample().Write(&first); err != nil {
		t.Fatal(err)
	}
	if err := sample().Write(&second); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two archives of the same files differ")
	}
}

func TestReadRefusesTruncated(t *testing.T) {
	var packed bytes.Buffer
	if err := sample().Write(&packed); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(packed.Bytes()[:packed.Len()/2]); err == nil {
		t.Error("Read of half an archive gave no error")
	}
}

// What the boot stub appends begins at a multiple of 4, behind an end mark.
func TestEnd(t *testing.T) {
	for size := range 8 {
		var f Files
		f.Add("init", make([]byte, size), 0o755)
		var packed bytes.Buffer
		if err := f.Write(&packed); err != nil {
			t.Fatal(err)
		}
		end := endOf(packed.Bytes())
		if rest := packed.Bytes()[end:]; packed.Len()%4 != 0 || len(rest) < 4 || !bytes.Equal(rest, make([]byte, len(rest))) {
			t.Errorf("archive of %d bytes ends with % x; want a zero word, and a multiple of 4", packed.Len(), rest)
		}
		if _, err := Read(append(packed.Bytes(), "070701"...)); err != nil {
			t.Errorf("Read with another archive behind it: %v", err)
		}
	}
}

func FuzzRead(f *testing.F) {
	var packed bytes.Buffer
	if err := sample().Write(&packed); err != nil {
		f.Fatal(err)
	}
	f.Add(packed.Bytes())
	f.Add([]byte{2, 0x21, 0x4c, 0x18, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) { Read(data) })
}

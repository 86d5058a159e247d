package build

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aes67os/firmware/disk"
	"aes67os/firmware/uki"
)

// What is measured against differs from the appliance in its init alone.
func TestBare(t *testing.T) {
	o := newSource(t).options(t, io.Discard)
	whole, err := Image(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(t.TempDir(), "bare.img")
	if err := Bare(t.Context(), o, []byte("an init"), bare); err != nil {
		t.Fatal(err)
	}
	wantDisk, wantSlot := openUKI(t, whole.Image)
	gotDisk, gotSlot := openUKI(t, bare)
	if diff := cmp.Diff(wantDisk, gotDisk); diff != "" {
		t.Errorf("partitions and boot loader (-appliance +bare):\n%s", diff)
	}
	last := len(gotSlot) - 1
	system := unpack(t, gotSlot[last].Data)
	gotSlot[last].Data, wantSlot[last].Data = nil, nil
	if diff := cmp.Diff(wantSlot, gotSlot); diff != "" {
		t.Errorf("slot file (-appliance +bare):\n%s", diff)
	}
	want := map[string]node{
		"dev": {Mode: "040755"}, "dev/console": {Mode: "020600", Major: 5, Min: 1}, "init": {Mode: "100755", Data: "an init"},
	}
	if diff := cmp.Diff(want, system); diff != "" {
		t.Errorf("system (-want +got):\n%s", diff)
	}
}

func TestBareFails(t *testing.T) {
	o := newSource(t).options(t, io.Discard)
	o.Board.KernelConfig = map[string]string{"CONFIG_PTP": "y"}
	err := Bare(t.Context(), o, []byte("an init"), filepath.Join(t.TempDir(), "bare.img"))
	wantError(t, err, "CONFIG_PTP=n")
}

// diskFiles is a disk without what is in its slot.
type diskFiles struct {
	Partitions []disk.Partition
	Files      map[string]string
}

// openUKI opens an image and the unified kernel image on it.
func openUKI(t *testing.T, image string) (diskFiles, []uki.Section) {
	t.Helper()
	opened, err := disk.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	d := diskFiles{opened.Partitions, map[string]string{}}
	files := d.Partitions[0].Files
	d.Partitions[0].Files = nil
	var sections []uki.Section
	for _, f := range files {
		d.Files[f.Name] = string(f.Data)
		if filepath.Dir(f.Name) == "EFI/Linux" {
			d.Files[f.Name] = ""
			if sections, err = uki.Parse(f.Data); err != nil {
				t.Fatal(err)
			}
		}
	}
	return d, sections
}

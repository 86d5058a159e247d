package kernel

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	testRelease  = "6.12-test"
	testVermagic = "6.12-test SMP preempt mod_unload modversions"
)

// kernelFiles are those of a small kernel package. Modules are packed in each way
// there is.
func kernelFiles(t testing.TB) []tarEntry {
	modules := "./usr/lib/modules/" + testRelease + "/"
	ko := func(path string, versions map[string]uint32, modinfo ...string) tarEntry {
		suffix := filepath.Ext(path)
		if suffix == ".ko" {
			suffix = ""
		}
		data := makeModule(versions, append(modinfo, "vermagic="+testVermagic+" ")...)
		return file(modules+path, string(pack(t, suffix, data)))
	}
	return []tarEntry{
		file("./boot/vmlinuz-"+testRelease, "image"),
		file("./boot/config-"+testRelease, configText),
		file("./boot/System.map-"+testRelease, "of no use"),
		file("./usr/share/doc/linux-image-test/copyright", "GPL-2"),
		file("./usr/lib/linux-image-"+testRelease+"/allwinner/neo2.dtb", "tree"),
		file(modules+"modules.builtin", "kernel/fs/ext-four.ko\nkernel/crypto/aes_generic.ko\n"),
		ko("kernel/net/e1000e.ko.xz", map[string]uint32{"kfree": 1, "ptp_now": 2}, "depends=ptp,i2c-algo",
			"alias=pci:v00008086d0000*", "alias=pci:v00008086d0001*"),
		ko("kernel/ptp/ptp.ko.zst", map[string]uint32{"kfree": 1}, "depends=pps_core"),
		ko("kernel/ptp/pps_core.ko.gz", nil),
		ko("kernel/i2c/i2c-algo.ko", nil, "depends=pps_core"),
		ko("kernel/sound/snd-hda.ko.xz", nil, "softdep=pre: snd-codec-a crypto-crc aes_generic nowhere-to-be-found", "depends="),
		ko("kernel/sound/codecs/snd-codec-a.ko.xz", nil, "alias=snd:a"),
		ko("kernel/sound/codecs/snd-codec-b.ko.xz", nil, "softdep=pre: snd:a", "softdep=post: ptp "),
		ko("kernel/crypto/crc_fast.ko.xz", nil, "alias=crypto-crc", "alias=cpu:feature:*[0-9]"),
		ko("kernel/crypto/crc_slow.ko.xz", nil, "alias=crypto_crc"),
		ko("kernel/bad/needy.ko.xz", nil, "depends=gone,ext_four,lost"),
	}
}

func testPackage(t testing.TB, files ...tarEntry) Package {
	t.Helper()
	return onDisk(t, "linux-image-test", makeDeb(t, "linux-image-test", ".xz", files...))
}

func testKernel(t testing.TB) *Kernel {
	t.Helper()
	k, err := Open(context.Background(), testPackage(t, kernelFiles(t)...), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestOpen(t *testing.T) {
	pkg := testPackage(t, kernelFiles(t)...)
	dir := t.TempDir()
	var steps []int64
	first, err := Open(context.Background(), pkg, dir, func(step string, done, total int64) {
		if step != "unpack linux-image-test" || total != pkg.Size {
			t.Errorf("progress(%q, %d, %d)", step, done, total)
		}
		steps = append(steps, done)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(steps) < 2 || steps[len(steps)-1] != pkg.Size {
		t.Errorf("progress told %v; want several, the last %d", steps, pkg.Size)
	}
	// A second time there is nothing left to read of the package.
	if err := os.Remove(pkg.Path); err != nil {
		t.Fatal(err)
	}
	second, err := Open(context.Background(), pkg, dir, func(string, int64, int64) { t.Error("progress when there is nothing to do") })
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*Kernel{"cold": first, "warm": second} {
		t.Run(name, func(t *testing.T) { checkKernel(t, k) })
	}
}

func checkKernel(t *testing.T, k *Kernel) {
	if k.Release != testRelease || k.Version != "1.0-1" || k.Arch != "amd64" {
		t.Errorf("kernel is %s, %s, %s", k.Release, k.Version, k.Arch)
	}
	if got := k.Vermagic(); got != testVermagic {
		t.Errorf("Vermagic() = %q; want %q", got, testVermagic)
	}
	if diff := cmp.Diff(map[string]uint32{"kfree": 1, "ptp_now": 2}, k.SymbolVersions()); diff != "" {
		t.Errorf("SymbolVersions() differs (-want +got):\n%s", diff)
	}
	for want, read := range map[string]func() ([]byte, error){
		"image": k.Image,
		"GPL-2": k.Copyright,
		"tree":  func() ([]byte, error) { return k.DTB("allwinner/neo2.dtb") },
	} {
		if got, err := read(); string(got) != want || err != nil {
			t.Errorf("read %q, %v; want %q", got, err, want)
		}
	}
	if got, err := k.DTB("neo2.dtb"); string(got) != "tree" || err != nil {
		t.Errorf("DTB(neo2.dtb) = %q, %v", got, err)
	}
	if _, err := k.DTB("neo3.dtb"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("DTB(neo3.dtb) = %v; want fs.ErrNotExist", err)
	}
	if config, err := k.Config(); err != nil || config["CONFIG_PREEMPT_RT"] != "y" {
		t.Errorf("Config() = %v, %v", config, err)
	}
	modules := k.Modules()
	if len(modules) != 10 {
		t.Errorf("%d modules; want 10", len(modules))
	}
	for _, m := range modules {
		data, err := m.Data()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := readModule(data); err != nil || filepath.Ext(m.Path) != ".ko" {
			t.Errorf("module %s is not decompressed: %v", m.Path, err)
		}
	}
}

func TestOpenAtTheSameTime(t *testing.T) {
	pkg := testPackage(t, kernelFiles(t)...)
	dir := t.TempDir()
	var builds sync.WaitGroup
	for range 4 {
		builds.Go(func() {
			k, err := Open(context.Background(), pkg, dir, nil)
			if err != nil {
				t.Error(err)
				return
			}
			checkKernel(t, k)
		})
	}
	builds.Wait()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v; want one directory", left, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	modules := "./usr/lib/modules/" + testRelease + "/kernel/"
	image := file("./boot/vmlinuz-"+testRelease, "image")
	good := file(modules+"a.ko", string(makeModule(nil, "name=a")))
	for _, tt := range []struct {
		name  string
		files []tarEntry
		want  string
	}{
		{"no image", []tarEntry{good}, "has no boot/vmlinuz-*"},
		{"no modules", []tarEntry{image}, "has no modules"},
		{"two releases", []tarEntry{file("./boot/vmlinuz-6.13", ""), good}, "image is of release 6.13, the modules are of 6.12-test"},
		{"no ELF", []tarEntry{image, file(modules+"b.ko", "text")}, "module kernel/b.ko: not an ELF file"},
		{"no modinfo", []tarEntry{image, file(modules+"b.ko", string(emptyELF()))}, "module kernel/b.ko: no kernel module"},
		{"no xz", []tarEntry{image, file(modules+"b.ko.xz", "text")}, "module kernel/b.ko.xz:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := Open(context.Background(), testPackage(t, tt.files...), dir, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open() = %v; want %s", err, tt.want)
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// emptyELF is an object file that is no module.
func emptyELF() []byte {
	ko := makeModule(nil)
	return []byte(strings.Replace(string(ko), ".modinfo", ".comment", 1))
}

func TestOpenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	pkg := testPackage(t, kernelFiles(t)...)
	dir := t.TempDir()
	_, err := Open(ctx, pkg, dir, func(string, int64, int64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Open() = %v; want context.Canceled", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOpenDamaged(t *testing.T) {
	for _, name := range []string{treeIndex, treeSymbols} {
		t.Run(name, func(t *testing.T) {
			pkg := testPackage(t, kernelFiles(t)...)
			dir := t.TempDir()
			k, err := Open(context.Background(), pkg, dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(k.dir, name), []byte("garbage\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			damaged(t, pkg, dir, k)
			if err := os.Remove(filepath.Join(k.dir, name)); err != nil {
				t.Fatal(err)
			}
			damaged(t, pkg, dir, k)
		})
	}
}

// damaged checks that Open says which directory to remove.
func damaged(t *testing.T, pkg Package, dir string, k *Kernel) {
	t.Helper()
	_, err := Open(context.Background(), pkg, dir, nil)
	if err == nil || !strings.Contains(err.Error(), k.dir+" is damaged, remove it") {
		t.Errorf("Open() = %v; want it to name the directory to remove", err)
	}
}

func TestWith(t *testing.T) {
	k := testKernel(t)
	ko := makeModule(nil, "depends=ptp", "name=MergingRavennaALSA", "vermagic=another")
	more, err := k.With("updates/MergingRavennaALSA.ko", ko)
	if err != nil {
		t.Fatal(err)
	}
	closure, err := more.Closure([]string{"MergingRavennaALSA"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"kernel/ptp/pps_core.ko", "kernel/ptp/ptp.ko", "updates/MergingRavennaALSA.ko"}, paths(closure)); diff != "" {
		t.Errorf("closure differs (-want +got):\n%s", diff)
	}
	if got, err := closure[2].Data(); string(got) != string(ko) || err != nil {
		t.Errorf("Data() has %d bytes, %v", len(got), err)
	}
	if dep := string(more.Indexes(closure)["modules.dep"]); !strings.Contains(dep, "updates/MergingRavennaALSA.ko: kernel/ptp/ptp.ko kernel/ptp/pps_core.ko\n") {
		t.Errorf("modules.dep is\n%s", dep)
	}
	if got := more.Vermagic(); got != testVermagic {
		t.Errorf("Vermagic() = %q; want that of the package's modules", got)
	}
	if _, err := k.Closure([]string{"MergingRavennaALSA"}); err == nil {
		t.Error("the kernel without it has changed")
	}
	if _, err := k.With("updates/x.ko", []byte("text")); err == nil {
		t.Error("With accepts text")
	}
}

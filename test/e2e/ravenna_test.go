package e2e

import (
	"debug/elf"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"aes67os/driver/ravenna/ravennatest"
	"aes67os/firmware/build"
	"aes67os/firmware/qemu"
	"aes67os/init/api"
	"aes67os/kernel"
)

// kernelModule returns a module of the image's kernel that stands for the RAVENNA
// module, which we neither have nor ship: one without dependencies, under its name.
func kernelModule(t *testing.T) []byte {
	t.Helper()
	b, root := x86(t), filepath.Join("..", "..")
	archive := kernel.Archive{
		Arch: b.DebianArch, Cache: filepath.Join(build.DefaultCache(), "packages"),
		LockFile: filepath.Join(root, "kernel", "lock.json"),
	}
	packages, err := archive.Fetch(t.Context(), b.KernelPackage)
	if err != nil {
		t.Fatal(err)
	}
	k, err := kernel.Open(t.Context(), packages[0], filepath.Join(build.DefaultCache(), "kernels"), nil)
	if err != nil {
		t.Fatal(err)
	}
	all := k.Modules()
	// The name is written over the module's own, which has to be as long.
	i := slices.IndexFunc(all, func(m kernel.Module) bool { return m.Name == "led_class_multicolor" })
	if i < 0 {
		t.Fatal("the kernel has no module led_class_multicolor to make a test's module from")
	}
	data, err := all[i].Data()
	if err != nil {
		t.Fatal(err)
	}
	ko, err := ravennatest.Rename(ravennatest.StripSignature(data), "MergingRavennaALSA")
	if err != nil {
		t.Fatal(err)
	}
	return ko
}

// buildWith builds an image with a kernel module of the user's.
func buildWith(t *testing.T, module []byte) (build.Result, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "MergingRavennaALSA.ko")
	if err := os.WriteFile(file, module, 0o644); err != nil {
		t.Fatal(err)
	}
	return build.Image(t.Context(), build.Options{
		Board: x86(t), Source: filepath.Join("..", ".."), Out: t.TempDir(), Cache: build.DefaultCache(),
		RavennaModule: file, Progress: io.Discard,
	})
}

func TestRavennaModuleIsLoaded(t *testing.T) {
	t.Parallel()
	r, err := buildWith(t, kernelModule(t))
	if err != nil {
		t.Fatal(err)
	}
	m := start(t, qemu.Config{Image: r.Image})
	if status := m.waitReady(); status.Driver != (api.Driver{Name: "ravenna"}) {
		t.Errorf("driver: %+v; want the kernel module in use", status.Driver)
	}
}

func TestRavennaModuleIsRefused(t *testing.T) {
	good := kernelModule(t)
	vermagic, err := ravennatest.SetVermagic(good, "6.1.0-18-amd64 SMP preempt mod_unload modversions")
	if err != nil {
		t.Fatal(err)
	}
	machine, err := ravennatest.SetMachine(good, elf.EM_AARCH64)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		module []byte
		want   []string
	}{
		"wrong vermagic": {vermagic, []string{"6.1.0-18-amd64", "deb13-rt-amd64", "linux-headers-"}},
		"wrong machine":  {machine, []string{"EM_AARCH64", "EM_X86_64", "linux-headers-"}},
		"truncated":      {good[:len(good)/2], nil},
		"not ELF":        {[]byte("#!/bin/sh\necho no module\n"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := buildWith(t, test.module)
			if err == nil {
				t.Fatal("the image was built with it")
			}
			for _, want := range append(test.want, "MergingRavennaALSA.ko") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

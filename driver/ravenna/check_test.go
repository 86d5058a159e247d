package ravenna

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"aes67os/driver/ravenna/ravennatest"
)

const vermagic = "6.12.107+deb13-rt-amd64 SMP preempt mod_unload modversions"

// target is the image's kernel in these tests.
var target = Target{
	Arch:     "amd64",
	Vermagic: vermagic,
	Symbols:  map[string]uint32{"module_layout": 0x11111111, "kfree": 0x22222222, "printk": 0x33333333, "memcpy": 0x44444444},
}

// fitting describes a module that target loads. Tests change one thing about it.
func fitting() ravennatest.Module {
	return ravennatest.Module{
		Type:    elf.ET_REL,
		Machine: elf.EM_X86_64,
		Name:    "MergingRavennaALSA",
		Modinfo: []string{
			"version=1.2.3", "license=GPL", "depends=snd-pcm,snd", "name=MergingRavennaALSA",
			"vermagic=" + vermagic + " ", // the kernel's build leaves a blank there
		},
		Versions: map[string]uint32{"module_layout": 0x11111111, "kfree": 0x22222222, "unknown_to_us": 0x99999999},
	}
}

func craft(change func(*ravennatest.Module)) []byte {
	m := fitting()
	change(&m)
	return ravennatest.Craft(m)
}

func TestCheckAccepts(t *testing.T) {
	plain := ravennatest.Craft(fitting())
	want := Info{
		Name: "MergingRavennaALSA", Version: "1.2.3", License: "GPL", Vermagic: vermagic,
		Depends: []string{"snd-pcm", "snd"}, Machine: elf.EM_X86_64,
	}
	for name, file := range map[string][]byte{
		"plain":      plain,
		"xz":         packXZ(t, plain),
		"zstd":       packZstd(t, plain),
		"gzip":       packGzip(t, plain),
		"no symbols": craft(func(m *ravennatest.Module) { m.Versions = nil }),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Check(file, target)
			if err != nil {
				t.Fatalf("Check() = %v; want no error", err)
			}
			if !bytes.Equal(got.Data, plain) && name != "no symbols" {
				t.Error("Check() does not return the module's plain bytes")
			}
			got.Data = nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Check() differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckAcceptsArm64(t *testing.T) {
	arm := target
	arm.Arch = "arm64"
	file := craft(func(m *ravennatest.Module) { m.Machine = elf.EM_AARCH64 })
	if _, err := Check(file, arm); err != nil {
		t.Errorf("Check(arm64 module for arm64) = %v; want no error", err)
	}
}

func TestCheckRefuses(t *testing.T) {
	const headers = "\nbuild it against the Debian package linux-headers-6.12.107+deb13-rt-amd64"
	tests := []struct {
		name string
		file []byte
		want string
		kind func(error) bool
	}{
		{
			name: "vermagic",
			file: craft(func(m *ravennatest.Module) {
				m.Modinfo = []string{"vermagic=6.1.0-18-amd64 SMP preempt mod_unload modversions "}
			}),
			want: "the kernel module was built for another kernel\n" +
				"  module:     6.1.0-18-amd64 SMP preempt mod_unload modversions\n" +
				"  this image: " + vermagic + headers,
			kind: is[*VermagicError],
		},
		{
			name: "no vermagic",
			file: craft(func(m *ravennatest.Module) { m.Modinfo = []string{"license=GPL"} }),
			want: "the kernel module was built for another kernel\n  module:     none\n  this image: " + vermagic + headers,
			kind: is[*VermagicError],
		},
		{
			name: "machine",
			file: craft(func(m *ravennatest.Module) { m.Machine = elf.EM_AARCH64 }),
			want: "the kernel module is for another processor\n  module:     EM_AARCH64\n  this image: EM_X86_64" + headers,
			kind: is[*MachineError],
		},
		{
			name: "one symbol",
			file: craft(func(m *ravennatest.Module) { m.Versions["kfree"] = 0xdeadbeef }),
			want: "the kernel module differs from this kernel in the version of 1 of the symbols it uses\n" +
				"  module:     kfree 0xdeadbeef\n  this image: kfree 0x22222222" + headers,
			kind: is[*SymbolError],
		},
		{
			name: "many symbols",
			file: craft(func(m *ravennatest.Module) {
				m.Versions = maps.Clone(target.Symbols)
				for name := range m.Versions {
					m.Versions[name]++
				}
			}),
			want: "the kernel module differs from this kernel in the version of 4 of the symbols it uses\n" +
				"  module:     kfree 0x22222223, memcpy 0x44444445, module_layout 0x11111112, …\n" +
				"  this image: kfree 0x22222222, memcpy 0x44444444, module_layout 0x11111111, …" + headers,
			kind: is[*SymbolError],
		},
		{
			name: "empty",
			file: nil,
			want: "not a kernel module: the file is empty",
			kind: isNotModule,
		},
		{
			name: "text",
			file: []byte("#!/bin/sh\n"),
			want: "not a kernel module: it is no ELF file",
			kind: isNotModule,
		},
		{
			name: "program",
			file: craft(func(m *ravennatest.Module) { m.Type = elf.ET_EXEC }),
			want: "not a kernel module: it is an ELF file of type ET_EXEC, a module has ET_REL",
			kind: isNotModule,
		},
		{
			name: "no modinfo",
			file: craft(func(m *ravennatest.Module) { m.Modinfo = nil }),
			want: "not a kernel module: it has no section .modinfo",
			kind: isNotModule,
		},
		{
			name: "object file",
			file: craft(func(m *ravennatest.Module) { m.Name = "" }),
			want: "not a kernel module: it has no section .gnu.linkonce.this_module",
			kind: isNotModule,
		},
		{
			name: "damaged xz",
			file: packXZ(t, ravennatest.Craft(fitting()))[:100],
			want: "not a kernel module: it does not decompress: unexpected EOF",
			kind: isNotModule,
		},
		{
			name: "bomb",
			file: packZstd(t, make([]byte, MaxSize+1)),
			want: "kernel module is too large: more than 64 MiB decompressed",
			kind: func(err error) bool { return errors.Is(err, ErrTooLarge) },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			info, err := Check(tt.file, target)
			if err == nil {
				t.Fatalf("Check() = %+v; want an error", info)
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("Check() says (-want +got):\n%s", diff)
			}
			if !tt.kind(err) {
				t.Errorf("Check() = %T; want another type", err)
			}
		})
	}
}

func TestCheckRefusesTruncated(t *testing.T) {
	whole := ravennatest.Craft(fitting())
	for n := range whole {
		_, err := Check(whole[:n], target)
		if !errors.Is(err, ErrNotModule) {
			t.Fatalf("Check(first %d of %d bytes) = %v; want ErrNotModule", n, len(whole), err)
		}
	}
}

// A file may be cut short although its table of sections is whole, when the table
// comes first.
func TestCheckRefusesSectionBeyondFile(t *testing.T) {
	file := ravennatest.Craft(fitting())
	f, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	// sh_size of the last section, .shstrtab, is used by every reader of the
	// file; the one before is __versions.
	const sectionSize, sizeOffset = 64, 32
	at := len(file) - 2*sectionSize + sizeOffset
	file[at+3] = 0x7f
	_, err = Check(file, target)
	want := "not a kernel module: it is cut short: section " + f.Sections[len(f.Sections)-2].Name + " ends beyond the file"
	if err == nil || err.Error() != want {
		t.Errorf("Check() = %v; want %s", err, want)
	}
}

func TestCheckUnknownArchitecture(t *testing.T) {
	_, err := Check(ravennatest.Craft(fitting()), Target{Arch: "riscv64"})
	if err == nil || !strings.Contains(err.Error(), `"riscv64"`) {
		t.Errorf("Check(riscv64) = %v; want an error that names it", err)
	}
}

func FuzzCheck(f *testing.F) {
	plain := ravennatest.Craft(fitting())
	f.Add(plain)
	f.Add(plain[:len(plain)/2])
	f.Add(packXZ(f, plain))
	f.Fuzz(func(t *testing.T, file []byte) {
		info, err := Check(file, target)
		if err == nil && (info.Machine != elf.EM_X86_64 || info.Vermagic != vermagic) {
			t.Errorf("Check() accepts %s, %q", info.Machine, info.Vermagic)
		}
	})
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

func isNotModule(err error) bool { return errors.Is(err, ErrNotModule) }

func packXZ(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := xz.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packZstd(t testing.TB, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(data, nil)
}

func packGzip(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

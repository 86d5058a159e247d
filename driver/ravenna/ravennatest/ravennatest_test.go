package ravennatest_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"testing"

	"aes67os/driver/ravenna"
	"aes67os/driver/ravenna/ravennatest"
)

const vermagic = "6.12.107+deb13-rt-amd64 SMP preempt mod_unload modversions"

var target = ravenna.Target{Arch: "amd64", Vermagic: vermagic}

// real stands for a module of the kernel package.
var real = ravennatest.Craft(ravennatest.Module{
	Type: elf.ET_REL, Machine: elf.EM_X86_64, Name: "snd_hda_codec_realtek",
	Modinfo: []string{"license=GPL", "name=snd_hda_codec_realtek", "vermagic=" + vermagic},
})

func TestRename(t *testing.T) {
	ko, err := ravennatest.Rename(real, "MergingRavennaALSA")
	if err != nil {
		t.Fatal(err)
	}
	info, err := ravenna.Check(ko, target)
	if err != nil {
		t.Fatal(err)
	}
	if info.Name != "MergingRavennaALSA" {
		t.Errorf("name in .modinfo is %q", info.Name)
	}
	if bytes.Contains(ko, []byte("snd_hda_codec_realtek")) {
		t.Error("the old name is still in the file")
	}
	if n := bytes.Count(ko, []byte("MergingRavennaALSA\x00")); n != 2 {
		t.Errorf("the new name is in %d places; want .modinfo and struct module", n)
	}
	if _, err := ravennatest.Rename(ko, "a_name_longer_than_the_one_before"); err == nil {
		t.Error("Rename accepts a longer name")
	}
}

func TestSetVermagic(t *testing.T) {
	ko, err := ravennatest.SetVermagic(real, "6.1.0-18-amd64 SMP")
	if err != nil {
		t.Fatal(err)
	}
	var wrong *ravenna.VermagicError
	if _, err := ravenna.Check(ko, target); !errors.As(err, &wrong) || wrong.Module != "6.1.0-18-amd64 SMP" {
		t.Errorf("Check() = %v; want a VermagicError with the new one", err)
	}
}

func TestSetMachine(t *testing.T) {
	ko, err := ravennatest.SetMachine(real, elf.EM_AARCH64)
	if err != nil {
		t.Fatal(err)
	}
	var wrong *ravenna.MachineError
	if _, err := ravenna.Check(ko, target); !errors.As(err, &wrong) || wrong.Module != elf.EM_AARCH64 {
		t.Errorf("Check() = %v; want a MachineError with the new one", err)
	}
	if _, err := ravennatest.SetMachine([]byte("short"), elf.EM_AARCH64); err == nil {
		t.Error("SetMachine accepts 5 bytes")
	}
}

func TestStripSignature(t *testing.T) {
	const magic = "~Module signature appended~\n"
	sign := func(claimed uint32) []byte {
		signed := append(bytes.Clone(real), "signature"...)
		signed = append(signed, make([]byte, 8)...)
		signed = binary.BigEndian.AppendUint32(signed, claimed)
		return append(signed, magic...)
	}
	lying := sign(1 << 30)
	for name, tt := range map[string]struct{ ko, want []byte }{
		"signed":     {sign(uint32(len("signature"))), real},
		"unsigned":   {real, real},
		"wrong size": {lying, lying},
		"no struct":  {[]byte(magic), []byte(magic)},
	} {
		if got := ravennatest.StripSignature(tt.ko); !bytes.Equal(got, tt.want) {
			t.Errorf("%s: StripSignature() has %d bytes; want %d", name, len(got), len(tt.want))
		}
	}
}

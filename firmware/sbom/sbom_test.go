package sbom

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
)

func input(t *testing.T) Input {
	program := filepath.Join(t.TempDir(), "hello")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", program, "./testdata/hello").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	copyright, err := os.ReadFile("testdata/copyright")
	if err != nil {
		t.Fatal(err)
	}
	return Input{
		Name: "aes67os-x86-64", Version: "2026.11.22-1140.0123abc", Time: time.Unix(1795000000, 0), Suite: "trixie",
		Packages: []Package{
			{Name: "linux-image-6.12.107+deb13-rt-amd64", Version: "6.12.107-1", Arch: "amd64", SHA256: strings.Repeat("ab", 32), Copyright: copyright},
			{Name: "strange", Version: "1:2~3", Arch: "all", SHA256: strings.Repeat("cd", 32), Copyright: []byte("Do as you please.")},
		},
		Programs: []Program{{Name: "hello", Data: data}},
		Module:   &KernelModule{Name: "MergingRavennaALSA", Version: "1.9", SHA256: strings.Repeat("ef", 32), License: "GPL"},
	}
}

func TestMake(t *testing.T) {
	in := input(t)
	first, err := Make(t.Context(), "../..", in)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Make(t.Context(), "../..", in)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("a second list of the same is another:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Debian package strange"}, first.Unknown); diff != "" {
		t.Errorf("unknown licences (-want +got):\n%s", diff)
	}

	bom := decode(t, first.JSON)
	if bom.SpecVersion != cdx.SpecVersion1_6 || bom.Metadata.Timestamp != "2026-11-18T11:06:40Z" || !strings.HasPrefix(bom.SerialNumber, "urn:uuid:") {
		t.Errorf("head is %v, %s, %s", bom.SpecVersion, bom.Metadata.Timestamp, bom.SerialNumber)
	}
	var got []string
	for _, c := range *bom.Components {
		if c.Name == "std" || strings.HasPrefix(c.PackageURL, "pkg:golang/") {
			// These grow with the tools.
			c.PackageURL = strings.ReplaceAll(c.PackageURL, c.Version, "VERSION")
		}
		var names []string
		for _, l := range *c.Licenses {
			names = append(names, l.License.ID+l.License.Name)
		}
		got = append(got, fmt.Sprintf("%s %s %s %s", c.Type, c.Name, c.PackageURL, strings.Join(names, ",")))
	}
	want := []string{
		"device-driver MergingRavennaALSA  GPL-2.0-only",
		"library linux-image-6.12.107+deb13-rt-amd64 pkg:deb/debian/linux-image-6.12.107%2Bdeb13-rt-amd64@6.12.107-1?arch=amd64&distro=trixie" +
			" BSD-2-Clause,GPL-2 with Linux-syscall-note exception,GPL-2.0-only,LGPL-2.1-or-later,MIT",
		"library strange pkg:deb/debian/strange@1%3A2~3?arch=all&distro=trixie NOASSERTION",
		"library github.com/google/uuid pkg:golang/github.com/google/uuid@VERSION BSD-3-Clause",
		"library std pkg:golang/std@VERSION BSD-3-Clause",
		"application hello  GPL-3.0-or-later",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("components (-want +got):\n%s", diff)
	}
	for _, text := range []string{"==== Go ====", "==== github.com/google/uuid v", "Redistribution and use in source"} {
		if !bytes.Contains(first.Notices, []byte(text)) {
			t.Errorf("notices have no %q", text)
		}
	}
}

// decode reads a list back and checks that references lead somewhere.
func decode(t *testing.T, data []byte) *cdx.BOM {
	bom := new(cdx.BOM)
	if err := cdx.NewBOMDecoder(bytes.NewReader(data), cdx.BOMFileFormatJSON).Decode(bom); err != nil {
		t.Fatal(err)
	}
	refs := map[string]bool{bom.Metadata.Component.BOMRef: true}
	for _, c := range *bom.Components {
		if c.BOMRef == "" || c.Name == "" || c.Version == "" || c.Type == "" || refs[c.BOMRef] {
			t.Errorf("component %+v lacks something, or is there twice", c)
		}
		refs[c.BOMRef] = true
	}
	for _, d := range *bom.Dependencies {
		for _, ref := range append(*d.Dependencies, d.Ref) {
			if !refs[ref] {
				t.Errorf("%s needs %s, which is no component", d.Ref, ref)
			}
		}
	}
	return bom
}

func TestMakeOtherContent(t *testing.T) {
	in := input(t)
	serial := func() string {
		d, err := Make(t.Context(), "../..", in)
		if err != nil {
			t.Fatal(err)
		}
		return decode(t, d.JSON).SerialNumber
	}
	before := serial()
	in.Packages[0].SHA256 = strings.Repeat("00", 32)
	if after := serial(); before == after {
		t.Errorf("lists of different packages have the same serial number %s", after)
	}
}

// TestModulesGiven is about a program that does not tell its modules.
func TestModulesGiven(t *testing.T) {
	in := input(t)
	in.Programs[0].Modules = []*debug.Module{
		{Path: "github.com/klauspost/compress", Version: "v1.20.3"},
		{Path: "github.com/CycloneDX/cyclonedx-go", Version: "v0.12.0", Sum: "h1:x"},
	}
	d, err := Make(t.Context(), "../..", in)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, c := range *decode(t, d.JSON).Components {
		if strings.HasPrefix(c.PackageURL, "pkg:golang/") {
			got[c.Name] = len(*c.Licenses)
		}
	}
	want := map[string]int{"std": 1, "github.com/google/uuid": 1, "github.com/klauspost/compress": 3, "github.com/CycloneDX/cyclonedx-go": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("modules and how many licences they have (-want +got):\n%s", diff)
	}
}

func TestMakeErrors(t *testing.T) {
	_, err := Make(t.Context(), "../..", Input{Programs: []Program{{Name: "x", Data: []byte("#!/bin/sh\n")}}})
	if err == nil || !strings.Contains(err.Error(), "program x") {
		t.Errorf("Make with a program not of Go = %v", err)
	}
}

func TestDebianToSPDX(t *testing.T) {
	for name, want := range map[string]string{
		"GPL-2": "GPL-2.0-only", "GPL-2+": "GPL-2.0-or-later", "LGPL-2.1+": "LGPL-2.1-or-later", "Expat": "MIT",
		"BSD-3-clause": "BSD-3-Clause", "CC0-1.0": "CC0-1.0", "public-domain": "public-domain", "GPL-2+-or-X11": "GPL-2+-or-X11",
	} {
		if got := debianToSPDX(name); got != want {
			t.Errorf("debianToSPDX(%q) = %q; want %q", name, got, want)
		}
	}
}

func FuzzPackageLicenses(f *testing.F) {
	f.Add([]byte("Format: x\nLicense: GPL-2 and/or MIT, or ,\n"))
	f.Add([]byte("License: GPL-2"))
	f.Fuzz(func(t *testing.T, copyright []byte) {
		for _, name := range packageLicenses(copyright) {
			if strings.TrimSpace(name) == "" {
				t.Errorf("packageLicenses(%q) names an empty licence", copyright)
			}
		}
	})
}

// Package sbom lists what an image consists of: a bill of materials in CycloneDX 1.6
// (ECMA-424) as JSON, and the licence texts that must come with the Go modules.
//
// Nothing is taken from what somebody wrote down. Go programs carry the version and
// checksum of every module compiled into them; Debian packages come with the sha256
// that apt verified and with a statement of their licences; the licences of modules
// are recognized from their texts. What is not recognized is listed as NOASSERTION,
// and returned for the builder to tell: a new dependency should not stop a build,
// but neither go unseen.
//
// The same input gives the same bytes, for the list is published beside an image
// that can be built again byte by byte.
package sbom

import (
	"bytes"
	"cmp"
	"context"
	"debug/buildinfo"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
)

// Input is what went into an image.
type Input struct {
	// Name and Version are the product's, Time that of its source.
	Name, Version string
	Time          time.Time
	// Suite is the Debian suite of the packages, for example trixie.
	Suite    string
	Packages []Package
	Programs []Program
	Assets   []Asset
	// Module is the prebuilt kernel module packed in; nil if there is none.
	Module *KernelModule
}

// Package is a Debian package.
type Package struct {
	Name, Version, Arch string
	// SHA256 is that of the .deb, in hexadecimal.
	SHA256 string
	// Copyright is its /usr/share/doc/*/copyright.
	Copyright []byte
}

// Program is a Go program compiled for the image.
type Program struct {
	Name string
	Data []byte
	// Modules lists the modules compiled in where Data does not tell.
	Modules []*debug.Module
}

// Asset is a file of an npm package that a program embeds as it is.
type Asset struct {
	Name, Version string
	// License is its SPDX identifier, SHA256 that of the file in hexadecimal.
	License, SHA256 string
}

// KernelModule is a kernel module that was not compiled here.
type KernelModule struct {
	Name, Version string
	// SHA256 is in hexadecimal.
	SHA256 string
	// License is as MODULE_LICENSE says it, for example GPL.
	License string
}

// Document is a bill of materials.
type Document struct {
	// JSON is CycloneDX 1.6.
	JSON []byte
	// Notices has the licence texts of Go and of every module.
	Notices []byte
	// Unknown names the components whose licence was not recognized.
	Unknown []string
}

// ownLicense is that of everything in this repository, ownModule its name in go.mod.
const (
	ownLicense = "GPL-3.0-or-later"
	ownModule  = "aes67os"
)

// Make lists what in amounts to. source is the checkout that the programs were
// compiled from: its go command says where the modules' licences are.
func Make(ctx context.Context, source string, in Input) (*Document, error) {
	b := &builder{in: in, components: map[string]cdx.Component{}, uses: map[string][]string{}}
	b.product = fmt.Sprintf("%s@%s", in.Name, in.Version)
	for _, p := range in.Packages {
		b.addPackage(p)
	}
	modules := map[string]*debug.Module{}
	for _, p := range in.Programs {
		if err := b.addProgram(p, modules); err != nil {
			return nil, err
		}
	}
	for _, a := range in.Assets {
		b.addAsset(a)
	}
	if in.Module != nil {
		b.addKernelModule(*in.Module)
	}
	found, err := moduleLicenses(ctx, source, slices.Sorted(maps.Keys(modules)))
	if err != nil {
		return nil, err
	}
	for path, m := range modules {
		b.addModule(m, found.of[path])
	}
	json, err := b.encode()
	if err != nil {
		return nil, err
	}
	slices.Sort(b.unknown)
	return &Document{JSON: json, Notices: found.notices, Unknown: b.unknown}, nil
}

// builder collects components by their reference, and which uses which.
type builder struct {
	in         Input
	product    string
	components map[string]cdx.Component
	uses       map[string][]string
	unknown    []string
}

// add enters a component that user consists of or needs.
func (b *builder) add(user string, c cdx.Component) {
	b.components[c.BOMRef] = c
	b.uses[user] = append(b.uses[user], c.BOMRef)
}

func (b *builder) addPackage(p Package) {
	names := packageLicenses(p.Copyright)
	if len(names) == 0 {
		b.unknown = append(b.unknown, "Debian package "+p.Name)
	}
	purl := debPURL(p, b.in.Suite)
	b.add(b.product, cdx.Component{
		BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: p.Name, Version: p.Version,
		PackageURL: purl, Hashes: sha256Hash(p.SHA256), Licenses: licenses(names),
	})
}

// addProgram enters a program and Go's standard library, and notes the program's
// modules in modules, by path. All programs come from one go.mod, so a path has one
// version.
func (b *builder) addProgram(p Program, modules map[string]*debug.Module) error {
	info, err := buildinfo.Read(bytes.NewReader(p.Data))
	if err != nil {
		return fmt.Errorf("program %s: %w", p.Name, err)
	}
	ref := "program:" + p.Name
	b.add(b.product, cdx.Component{
		BOMRef: ref, Type: cdx.ComponentTypeApplication, Name: p.Name, Version: b.in.Version,
		Hashes: sha256Of(p.Data), Licenses: licenses([]string{ownLicense}),
	})
	std := &debug.Module{Path: "std", Version: goVersion(info.GoVersion)}
	b.add(ref, moduleComponent(std, []string{"BSD-3-Clause"}))
	for _, m := range slices.Concat(info.Deps, p.Modules) {
		if m.Replace != nil {
			m = m.Replace
		}
		if m.Path == ownModule {
			continue
		}
		modules[m.Path] = m
		b.uses[ref] = append(b.uses[ref], golangPURL(m))
	}
	return nil
}

func (b *builder) addModule(m *debug.Module, names []string) {
	if len(names) == 0 {
		b.unknown = append(b.unknown, "Go module "+m.Path)
	}
	c := moduleComponent(m, names)
	b.components[c.BOMRef] = c
}

func (b *builder) addAsset(a Asset) {
	purl := "pkg:npm/" + a.Name + "@" + a.Version
	b.add(b.product, cdx.Component{
		BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: a.Name, Version: a.Version, PackageURL: purl,
		Hashes: sha256Hash(a.SHA256), Licenses: licenses([]string{a.License}),
	})
}

func (b *builder) addKernelModule(m KernelModule) {
	ref := "module:" + m.Name
	b.add(b.product, cdx.Component{
		BOMRef: ref, Type: cdx.ComponentTypeDeviceDriver, Name: m.Name, Version: m.Version,
		Description: "kernel module, compiled by the user",
		Hashes:      sha256Hash(m.SHA256), Licenses: licenses(kernelLicense(m.License)),
		Properties: &[]cdx.Property{{Name: "aes67os:supplied-by", Value: "user"}},
	})
}

// encode writes the list, everything in it sorted.
func (b *builder) encode() ([]byte, error) {
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{
		Timestamp: b.in.Time.UTC().Format(time.RFC3339),
		Component: &cdx.Component{
			BOMRef: b.product, Type: cdx.ComponentTypeFirmware, Name: b.in.Name, Version: b.in.Version,
			Licenses: licenses([]string{ownLicense}),
		},
	}
	components := slices.SortedFunc(maps.Values(b.components), func(x, y cdx.Component) int {
		return cmp.Compare(x.BOMRef, y.BOMRef)
	})
	bom.Components = &components
	var dependencies []cdx.Dependency
	for _, user := range slices.Sorted(maps.Keys(b.uses)) {
		used := slices.Compact(slices.Sorted(slices.Values(b.uses[user])))
		dependencies = append(dependencies, cdx.Dependency{Ref: user, Dependencies: &used})
	}
	bom.Dependencies = &dependencies

	content, err := encode(bom)
	if err != nil {
		return nil, err
	}
	// A list has an identifier of its own (RFC 9562 §5.5), here made from what it says.
	bom.SerialNumber = uuid.NewSHA1(uuid.NameSpaceOID, content).URN()
	return encode(bom)
}

func encode(bom *cdx.BOM) ([]byte, error) {
	var out bytes.Buffer
	e := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true)
	if err := e.EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return nil, fmt.Errorf("write the bill of materials: %w", err)
	}
	return out.Bytes(), nil
}

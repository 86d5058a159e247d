package build

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"aes67os/firmware/sbom"
	"aes67os/kernel"
)

// writeBill writes the bill of materials, and the licences' texts that go with every
// copy of the image.
func (b *build) writeBill(ctx context.Context, bill, notices string) (string, error) {
	in := sbom.Input{Name: "aes67os", Version: b.version.Name, Time: b.version.Time, Suite: kernel.DefaultSuite}
	for i, p := range b.packages {
		in.Packages = append(in.Packages, sbom.Package{Name: p.Concrete, Version: p.Version, Arch: p.Arch, SHA256: p.SHA256, Copyright: b.copyrights[i]})
	}
	for place, data := range b.programs {
		in.Programs = append(in.Programs, sbom.Program{Name: place, Data: data})
	}
	if b.shell != nil {
		in.Programs = append(in.Programs, sbom.Program{Name: "shell", Data: b.shell.Program, Modules: b.shell.Modules})
	}
	htmx, err := htmxAsset(b.Source)
	if err != nil {
		return "", err
	}
	in.Assets = append(in.Assets, htmx)
	if b.ravenna != nil {
		in.Module = &sbom.KernelModule{
			Name: b.ravenna.Name, Version: b.ravenna.Version, License: b.ravenna.License,
			SHA256: fmt.Sprintf("%x", sha256.Sum256(b.ravenna.Data)),
		}
	}
	doc, err := sbom.Make(ctx, b.Source, in)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(bill, doc.JSON, 0o644); err != nil {
		return "", err
	}
	summary := fmt.Sprintf("%d packages, %d programs", len(in.Packages), len(in.Programs))
	if len(doc.Unknown) > 0 {
		summary += "; licence not recognized: " + strings.Join(doc.Unknown, ", ")
	}
	return summary, os.WriteFile(notices, doc.Notices, 0o644)
}

// copyrights reads the statements of the kernel's package and of others.
func copyrights(k *kernel.Kernel, others []kernel.Package) ([][]byte, error) {
	first, err := k.Copyright()
	if err != nil {
		return nil, err
	}
	all := [][]byte{first}
	for _, p := range others {
		name := "usr/share/doc/" + p.Concrete + "/copyright"
		files, err := p.Extract(name)
		if err != nil {
			return nil, err
		}
		all = append(all, files[name])
	}
	return all, nil
}

// htmxVersion is how htmx says its version in its own code.
var htmxVersion = regexp.MustCompile(`version:"([0-9.]+)"`)

// htmxAsset is the one file of others that the page embeds.
func htmxAsset(source string) (sbom.Asset, error) {
	const name = "htmx.org"
	code, err := os.ReadFile(filepath.Join(source, "webui", "assets", "htmx.min.js"))
	if err != nil {
		return sbom.Asset{}, err
	}
	version := htmxVersion.FindSubmatch(code)
	if version == nil {
		return sbom.Asset{}, fmt.Errorf("%s does not say its version", name)
	}
	return sbom.Asset{Name: name, Version: string(version[1]), License: "0BSD", SHA256: fmt.Sprintf("%x", sha256.Sum256(code))}, nil
}

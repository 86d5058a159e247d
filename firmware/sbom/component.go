package sbom

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// moduleComponent describes a Go module.
func moduleComponent(m *debug.Module, names []string) cdx.Component {
	purl := golangPURL(m)
	c := cdx.Component{
		BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version,
		PackageURL: purl, Licenses: licenses(names),
	}
	if m.Sum != "" {
		// Not a hash of any file, but of a list of the files' hashes.
		c.Properties = &[]cdx.Property{{Name: "aes67os:go.sum", Value: m.Sum}}
	}
	return c
}

// golangPURL is a module's package URL, which wants names in lower case.
func golangPURL(m *debug.Module) string {
	return "pkg:golang/" + strings.ToLower(m.Path) + "@" + url.QueryEscape(m.Version)
}

// debPURL is a Debian package's package URL.
func debPURL(p Package, suite string) string {
	q := url.Values{"arch": {p.Arch}}
	if suite != "" {
		q.Set("distro", suite)
	}
	return "pkg:deb/debian/" + url.QueryEscape(p.Name) + "@" + url.QueryEscape(p.Version) + "?" + q.Encode()
}

// goVersion makes go1.26.8 into 1.26.8.
func goVersion(s string) string {
	v, _, _ := strings.Cut(strings.TrimPrefix(s, "go"), " ")
	return v
}

func sha256Of(data []byte) *[]cdx.Hash {
	sum := sha256.Sum256(data)
	return sha256Hash(hex.EncodeToString(sum[:]))
}

func sha256Hash(sum string) *[]cdx.Hash {
	return &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: sum}}
}

package sbom

import (
	"maps"
	"slices"
	"strings"
)

// packageLicenses names the licences in a machine-readable copyright file (Debian's
// copyright format 1.0, https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/),
// sorted. It names none when the file has another form.
//
// That some part of a source is under a licence does not mean that the package's
// programs contain that part; the file does not tell.
func packageLicenses(copyright []byte) []string {
	text := string(copyright)
	first, _, _ := strings.Cut(text, "\n")
	if !strings.HasPrefix(first, "Format:") {
		return nil
	}
	names := map[string]bool{}
	for line := range strings.Lines(text) {
		short, ok := strings.CutPrefix(line, "License:")
		if !ok {
			continue
		}
		for _, name := range splitExpression(short) {
			names[debianToSPDX(name)] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// splitExpression takes the single licences out of a synopsis (§7.2 of the format).
func splitExpression(synopsis string) []string {
	var names, words []string
	end := func() {
		if len(words) > 0 {
			names = append(names, strings.Join(words, " "))
		}
		words = nil
	}
	for _, word := range strings.Fields(strings.ReplaceAll(synopsis, ",", " , ")) {
		switch word {
		case "and", "or", ",", "and/or":
			end()
		default:
			words = append(words, word)
		}
	}
	end()
	return names
}

// debianToSPDX translates a short name (§7.1.1). One that it does not know stays.
func debianToSPDX(name string) string {
	switch name {
	case "Expat":
		return "MIT"
	case "zlib":
		return "Zlib"
	}
	base, later := strings.CutSuffix(name, "+")
	for _, prefix := range []string{"GPL-", "LGPL-", "AGPL-"} {
		version, ok := strings.CutPrefix(base, prefix)
		if !ok || strings.Trim(version, "0123456789.") != "" {
			continue
		}
		if !strings.Contains(version, ".") {
			version += ".0"
		}
		if later {
			return prefix + version + "-or-later"
		}
		return prefix + version + "-only"
	}
	for _, id := range spdx() {
		if strings.EqualFold(id, name) {
			return id
		}
	}
	return name
}

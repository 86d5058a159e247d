package kernel

import (
	"strings"
)

// parseControl reads stanzas of "Field: value" lines, as in Debian Policy §5.1. A
// line that begins with a blank continues the value before it; what follows the
// first line of a value is dropped, for no field that we read has more.
func parseControl(text []byte) []map[string]string {
	var stanzas []map[string]string
	var fields map[string]string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" {
			fields = nil
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || line[0] == ' ' || line[0] == '\t' {
			continue
		}
		if fields == nil {
			fields = make(map[string]string)
			stanzas = append(stanzas, fields)
		}
		fields[name] = strings.TrimSpace(value)
	}
	return stanzas
}

// concreteKernel returns the package that a kernel metapackage stands for: its one
// dependency on an image, or "" when the package is no such metapackage.
func concreteKernel(fields map[string]string) string {
	const image = "linux-image-"
	if !strings.HasPrefix(fields["Package"], image) {
		return ""
	}
	var found string
	for _, dependency := range strings.Split(fields["Depends"], ",") {
		// The alternatives and the version do not matter: the release is in
		// the name.
		name, _, _ := strings.Cut(strings.TrimSpace(dependency), " ")
		if !strings.HasPrefix(name, image) {
			continue
		}
		if found != "" {
			return ""
		}
		found = name
	}
	return found
}

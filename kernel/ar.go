package kernel

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	arMagic      = "!<arch>\n"
	arHeaderSize = 60
	// A .deb has three members; more than a few is not a .deb.
	arMaxMembers = 16
)

// arMembers lists the members of a Unix ar archive as deb(5) uses it: plain names
// of up to 16 characters, sizes in decimal, each member at an even offset.
func arMembers(r io.ReaderAt, size int64) (map[string]*io.SectionReader, error) {
	magic := make([]byte, len(arMagic))
	if _, err := r.ReadAt(magic, 0); err != nil || string(magic) != arMagic {
		return nil, errors.New("not a Debian package: no ar archive")
	}
	members := make(map[string]*io.SectionReader)
	for at := int64(len(arMagic)); at < size; {
		if len(members) == arMaxMembers {
			return nil, fmt.Errorf("ar archive has more than %d members", arMaxMembers)
		}
		header := make([]byte, arHeaderSize)
		if _, err := r.ReadAt(header, at); err != nil {
			return nil, fmt.Errorf("ar archive ends within a header at byte %d", at)
		}
		if string(header[58:]) != "`\n" {
			return nil, fmt.Errorf("ar archive has no header at byte %d", at)
		}
		// GNU ar ends names with a slash, dpkg does not.
		name := strings.TrimSuffix(strings.TrimRight(string(header[:16]), " "), "/")
		length, err := strconv.ParseInt(strings.TrimRight(string(header[48:58]), " "), 10, 64)
		if err != nil || length < 0 {
			return nil, fmt.Errorf("ar member %q has no size", name)
		}
		at += arHeaderSize
		if length > size-at {
			return nil, fmt.Errorf("ar member %q claims %d bytes, the file has %d left", name, length, size-at)
		}
		if _, twice := members[name]; twice {
			return nil, fmt.Errorf("ar archive has member %q twice", name)
		}
		members[name] = io.NewSectionReader(r, at, length)
		at += length + length%2
	}
	return members, nil
}

// Package fit writes and reads U-Boot's flattened image trees (FIT): one file with a
// kernel, its initramfs and what else belongs to them.
//
// The file is a device tree (Devicetree Specification 0.4 §5) whose nodes describe the
// parts and hold them as properties. Each part has its SHA-256, which U-Boot checks
// before it uses the part; that is what tells a file cut off by a power failure from a
// whole one. Nothing is signed: Debian's U-Boot does not check signatures, and the update
// does that before it writes a file.
package fit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/u-root/u-root/pkg/dt"
)

// Kind is what a part is to U-Boot.
type Kind string

// The kinds of parts, by the names that U-Boot has for them.
const (
	Kernel  Kind = "kernel"
	Ramdisk Kind = "ramdisk"
	Tree    Kind = "flat_dt"
	Script  Kind = "script"
)

// Part is one part of the image. The first of each kind but Script belongs to the
// configuration that is started.
type Part struct {
	// Name is that of its node; it must not be that of another. Title is for people,
	// and may be empty.
	Name, Title string
	Kind        Kind
	Data        []byte
	// Compression is gzip or none; none where it is empty. A ramdisk that the kernel
	// unpacks is none to U-Boot.
	Compression string
	// Load is the address in memory where U-Boot puts the part, unpacked; it stays where
	// it is if Load is 0. A kernel begins there, too.
	Load uint32
}

// The names of nodes and properties.
const (
	images         = "images"
	configurations = "configurations"
)

// Configuration is the name of the only configuration there is. U-Boot is told it: by
// itself it looks for one whose device tree is like its own, and gives up where there is
// none.
const Configuration = "conf"

// Assemble returns the image. title is for people. Equal parts and time give an equal
// image.
func Assemble(title string, made time.Time, parts ...Part) ([]byte, error) {
	list := dt.NewNode(images)
	conf := dt.NewNode(Configuration, dt.WithProperty(dt.PropertyString("description", title)))
	seen := map[string]bool{}
	for _, p := range parts {
		if p.Name == "" || seen[p.Name] || len(p.Data) == 0 {
			return nil, fmt.Errorf("part %q: needs a name of its own, and data; it has %d bytes", p.Name, len(p.Data))
		}
		seen[p.Name] = true
		list.Children = append(list.Children, node(p))
		use := map[Kind]string{Kernel: "kernel", Ramdisk: "ramdisk", Tree: "fdt"}[p.Kind]
		if _, taken := conf.LookProperty(use); use != "" && !taken {
			conf.Properties = append(conf.Properties, dt.PropertyString(use, p.Name))
		}
	}
	if _, ok := conf.LookProperty("kernel"); !ok {
		return nil, errors.New("the image has no kernel")
	}
	tree := dt.FDT{
		Header: dt.Header{Magic: dt.Magic, Version: 17, LastCompVersion: 16},
		RootNode: dt.NewNode("",
			dt.WithProperty(
				dt.PropertyU32("timestamp", uint32(made.Unix())),
				dt.PropertyString("description", title),
				dt.PropertyU32("#address-cells", 1)),
			dt.WithChildren(list,
				dt.NewNode(configurations, dt.WithProperty(dt.PropertyString("default", Configuration)), dt.WithChildren(conf)))),
	}
	var out bytes.Buffer
	if _, err := tree.Write(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// node describes a part.
func node(p Part) *dt.Node {
	compression := p.Compression
	if compression == "" {
		compression = "none"
	}
	n := dt.NewNode(p.Name, dt.WithProperty(
		dt.PropertyString("description", p.Title),
		dt.PropertyString("type", string(p.Kind)),
		dt.PropertyString("arch", "arm64"),
		dt.PropertyString("compression", compression),
		dt.Property{Name: "data", Value: p.Data},
	))
	if p.Kind == Kernel || p.Kind == Ramdisk {
		n.Properties = append(n.Properties, dt.PropertyString("os", "linux"))
	}
	if p.Load != 0 {
		n.Properties = append(n.Properties, dt.PropertyU32("load", p.Load))
	}
	if p.Kind == Kernel {
		n.Properties = append(n.Properties, dt.PropertyU32("entry", p.Load))
	}
	sum := sha256.Sum256(p.Data)
	n.Children = []*dt.Node{dt.NewNode("hash", dt.WithProperty(
		dt.PropertyString("algo", "sha256"), dt.Property{Name: "value", Value: sum[:]}))}
	return n
}

// Parse returns the parts of an image, in their order, and checks their hashes.
func Parse(image []byte) ([]Part, error) {
	if err := checkTree(image); err != nil {
		return nil, fmt.Errorf("not an image of U-Boot: %w", err)
	}
	tree, err := dt.ReadFDT(bytes.NewReader(image))
	if err != nil {
		return nil, fmt.Errorf("not an image of U-Boot: %w", err)
	}
	list, ok := tree.RootNode.LookupChildByName(images)
	if !ok {
		return nil, errors.New("the image has no parts")
	}
	var parts []Part
	for _, n := range list.Children {
		p, err := part(n)
		if err != nil {
			return nil, fmt.Errorf("part %s: %w", n.Name, err)
		}
		parts = append(parts, p)
	}
	return parts, nil
}

func part(n *dt.Node) (Part, error) {
	p := Part{Name: n.Name, Title: text(n, "description"), Kind: Kind(text(n, "type")), Compression: text(n, "compression")}
	if p.Compression == "none" {
		p.Compression = ""
	}
	if load, ok := n.LookProperty("load"); ok {
		var err error
		if p.Load, err = load.AsU32(); err != nil {
			return p, fmt.Errorf("load address: %w", err)
		}
	}
	data, ok := n.LookProperty("data")
	if !ok {
		return p, errors.New("it has no data")
	}
	p.Data = data.Value
	i := slices.IndexFunc(n.Children, func(c *dt.Node) bool { return text(c, "algo") == "sha256" })
	if i < 0 {
		return p, errors.New("it has no SHA-256")
	}
	sum := sha256.Sum256(p.Data)
	if value, ok := n.Children[i].LookProperty("value"); !ok || !bytes.Equal(value.Value, sum[:]) {
		return p, errors.New("its SHA-256 is another: the data is damaged")
	}
	return p, nil
}

// text reads a property; one that is not there, or is no text, is empty.
func text(n *dt.Node, name string) string {
	p, ok := n.LookProperty(name)
	if !ok {
		return ""
	}
	s, err := p.AsString()
	if err != nil {
		return ""
	}
	return s
}

// checkTree makes sure that no size in a tree is beyond its end, since dt.ReadFDT makes
// room for what it is told there is.
func checkTree(tree []byte) error {
	var h dt.Header
	if err := binary.Read(bytes.NewReader(tree), binary.BigEndian, &h); err != nil {
		return err
	}
	size := uint64(len(tree))
	if h.Magic != dt.Magic || uint64(h.TotalSize) > size {
		return fmt.Errorf("it begins with %#x and should have %d bytes of which %d are there", h.Magic, h.TotalSize, size)
	}
	if uint64(h.OffDtStrings)+uint64(h.SizeDtStrings) > size || uint64(h.OffDtStruct)+uint64(h.SizeDtStruct) > size {
		return io.ErrUnexpectedEOF
	}
	return checkTokens(tree[h.OffDtStruct:][:h.SizeDtStruct])
}

// The tokens of the structure block (Devicetree Specification 0.4 §5.4.1).
const (
	beginNode = 1
	property  = 3
)

func checkTokens(rest []byte) error {
	word := func() (uint32, bool) {
		if len(rest) < 4 {
			return 0, false
		}
		n := binary.BigEndian.Uint32(rest)
		rest = rest[4:]
		return n, true
	}
	for {
		token, ok := word()
		if !ok {
			return nil
		}
		skip := 0
		switch token {
		case beginNode:
			skip = bytes.IndexByte(rest, 0) + 1
		case property:
			n, _ := word()
			_, ok := word()
			if !ok || uint64(n) > uint64(len(rest)) {
				return io.ErrUnexpectedEOF
			}
			skip = int(n)
		}
		skip = (skip + 3) &^ 3
		if skip > len(rest) {
			return io.ErrUnexpectedEOF
		}
		rest = rest[skip:]
	}
}

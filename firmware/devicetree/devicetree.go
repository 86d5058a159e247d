// Package devicetree reads and changes the description of a board that the kernel is
// given (Devicetree Specification 0.4): which devices there are, and what drives them.
package devicetree

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/u-root/u-root/pkg/dt"

	"aes67os/board"
)

// Device is a device that is there and enabled.
type Device struct {
	// Path is where it is in the tree, such as /soc/mmc@1c0f000.
	Path string
	// Compatible is what it says it is, the most particular first.
	Compatible []string
	// Modalias is what the kernel asks for a driver with.
	Modalias string
}

// Devices returns the devices of a tree that have a driver, in their order. Processors
// and memory are none.
func Devices(tree []byte) ([]Device, error) {
	t, err := dt.ReadFDT(bytes.NewReader(tree))
	if err != nil {
		return nil, fmt.Errorf("device tree: %w", err)
	}
	var all []Device
	for _, n := range t.RootNode.Children {
		all = devices(all, "", n)
	}
	return all, nil
}

func devices(all []Device, parent string, n *dt.Node) []Device {
	if status := list(n, "status"); status != nil && status[0] != "okay" && status[0] != "ok" {
		return all // and nothing of what is behind it
	}
	d := Device{Path: parent + "/" + n.Name, Compatible: list(n, "compatible")}
	kind := "(null)" // as the kernel writes it
	if k := list(n, "device_type"); k != nil {
		kind = k[0]
	}
	if d.Compatible != nil && kind != "cpu" && kind != "memory" {
		name, _, _ := strings.Cut(n.Name, "@")
		d.Modalias = "of:N" + name + "T" + kind + "C" + strings.Join(d.Compatible, "C")
		all = append(all, d)
	}
	for _, c := range n.Children {
		all = devices(all, d.Path, c)
	}
	return all
}

// list reads a property with texts, each ended by a zero byte; one that is not there has
// none.
func list(n *dt.Node, name string) []string {
	p, ok := n.LookProperty(name)
	if !ok || len(p.Value) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(p.Value), "\x00"), "\x00")
}

// Edit returns the tree with properties changed. Each node must be there, so that an
// edit does not go unnoticed when a new kernel has another tree.
func Edit(tree []byte, edits []board.TreeEdit) ([]byte, error) {
	t, err := dt.ReadFDT(bytes.NewReader(tree))
	if err != nil {
		return nil, fmt.Errorf("device tree: %w", err)
	}
	for _, e := range edits {
		n := t.RootNode
		for name := range strings.SplitSeq(strings.TrimPrefix(e.Node, "/"), "/") {
			child, ok := n.LookupChildByName(name)
			if !ok {
				return nil, fmt.Errorf("the device tree has no %s, of which %s was to be changed", e.Node, e.Property)
			}
			n = child
		}
		n.Update(dt.PropertyString(e.Property, e.Value))
	}
	var out bytes.Buffer
	if _, err := t.Write(&out); err != nil {
		return nil, fmt.Errorf("device tree: %w", err)
	}
	return out.Bytes(), nil
}

package devicetree

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/dt"

	"aes67os/board"
)

// texts is a property with texts.
func texts(name string, values ...string) dt.Property {
	return dt.Property{Name: name, Value: []byte(strings.Join(values, "\x00") + "\x00")}
}

func node(name string, properties []dt.Property, children ...*dt.Node) *dt.Node {
	return dt.NewNode(name, dt.WithProperty(properties...), dt.WithChildren(children...))
}

type properties = []dt.Property

// sample is a small board.
func sample(t testing.TB) []byte {
	t.Helper()
	root := node("", properties{texts("compatible", "vendor,board", "vendor,chip")},
		node("chosen", nil),
		node("memory@40000000", properties{texts("device_type", "memory")}),
		node("cpus", nil,
			node("cpu@0", properties{texts("device_type", "cpu"), texts("compatible", "arm,cortex-a53")})),
		node("soc", properties{texts("compatible", "simple-bus"), {Name: "ranges"}},
			node("mmc@1c0f000", properties{texts("compatible", "vendor,mmc-2", "vendor,mmc"), texts("status", "okay")}),
			node("usb@1c19000", properties{texts("compatible", "vendor,otg"), texts("dr_mode", "host"), texts("status", "ok")}),
			node("spi@1c68000", properties{texts("compatible", "vendor,spi"), texts("status", "disabled")},
				node("flash@0", properties{texts("compatible", "jedec,spi-nor")})),
			node("ethernet@1c30000", properties{texts("compatible", "vendor,emac"), texts("device_type", "network")},
				node("mdio", properties{texts("compatible", "vendor,mdio")}))),
		node("leds", properties{texts("compatible", "gpio-leds"), {Name: "status"}}))
	tree := dt.FDT{Header: dt.Header{Magic: dt.Magic, Version: 17, LastCompVersion: 16}, RootNode: root,
		ReserveEntries: []dt.ReserveEntry{{Address: 0x40000000, Size: 0x1000}}}
	var b bytes.Buffer
	if _, err := tree.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDevices(t *testing.T) {
	got, err := Devices(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []Device{
		{"/soc", []string{"simple-bus"}, "of:NsocT(null)Csimple-bus"},
		{"/soc/mmc@1c0f000", []string{"vendor,mmc-2", "vendor,mmc"}, "of:NmmcT(null)Cvendor,mmc-2Cvendor,mmc"},
		{"/soc/usb@1c19000", []string{"vendor,otg"}, "of:NusbT(null)Cvendor,otg"},
		{"/soc/ethernet@1c30000", []string{"vendor,emac"}, "of:NethernetTnetworkCvendor,emac"},
		{"/soc/ethernet@1c30000/mdio", []string{"vendor,mdio"}, "of:NmdioT(null)Cvendor,mdio"},
		{"/leds", []string{"gpio-leds"}, "of:NledsT(null)Cgpio-leds"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("devices (-want +got):\n%s", diff)
	}
}

func TestEdit(t *testing.T) {
	before := sample(t)
	after, err := Edit(before, []board.TreeEdit{
		{Node: "/soc/usb@1c19000", Property: "dr_mode", Value: "peripheral"},
		{Node: "/soc/mmc@1c0f000", Property: "status", Value: "disabled"},
		{Node: "/leds", Property: "label", Value: "new"},
	})
	if err != nil {
		t.Fatal(err)
	}
	read := func(tree []byte) *dt.FDT {
		t.Helper()
		f, err := dt.ReadFDT(bytes.NewReader(tree))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	want, got := read(before), read(after)
	soc, _ := want.RootNode.LookupChildByName("soc")
	soc.Children[0].Properties[1] = texts("status", "disabled")
	soc.Children[1].Properties[1] = texts("dr_mode", "peripheral")
	leds, _ := want.RootNode.LookupChildByName("leds")
	leds.Properties = append(leds.Properties, texts("label", "new"))
	if diff := cmp.Diff(want.RootNode, got.RootNode); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want.ReserveEntries, got.ReserveEntries); diff != "" {
		t.Errorf("reserved memory (-want +got):\n%s", diff)
	}
}

func TestRefuse(t *testing.T) {
	_, err := Edit(sample(t), []board.TreeEdit{{Node: "/soc/usb@1", Property: "dr_mode", Value: "host"}})
	if err == nil || err.Error() != "the device tree has no /soc/usb@1, of which dr_mode was to be changed" {
		t.Errorf("Edit of a node that is not there = %v", err)
	}
	for name, tree := range map[string][]byte{"empty": nil, "text": bytes.Repeat([]byte("text"), 20), "cut off": sample(t)[:200]} {
		if _, err := Devices(tree); err == nil || !strings.HasPrefix(err.Error(), "device tree: ") {
			t.Errorf("Devices of a tree that is %s = %v", name, err)
		}
		if _, err := Edit(tree, nil); err == nil {
			t.Errorf("Edit of a tree that is %s gave no error", name)
		}
	}
}

package port

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"aes67os/driver"
)

var samePorts = cmpopts.IgnoreUnexported(Card{})

func TestParsePorts(t *testing.T) {
	for text, want := range map[string][]Port{
		"":        nil,
		" ;\n;; ": nil,
		"tone 997Hz -20dB > 1-2; wav /x.wav > 3-4; record /y.wav < 1-2; card hw:CARD=UAC2Gadget > 5,6 < 1-2": {
			Tone{Frequency: 997, Level: -20, To: []int{0, 1}},
			Player{Path: "/x.wav", To: []int{2, 3}},
			Recorder{Path: "/y.wav", From: []int{0, 1}},
			&Card{Device: "hw:CARD=UAC2Gadget", To: []int{4, 5}, From: []int{0, 1}},
		},
		"tone 0.5Hz 0dB>64\ntone 1000Hz -0.25dB>1": {
			Tone{Frequency: 0.5, To: []int{63}},
			Tone{Frequency: 1000, Level: -0.25, To: []int{0}},
		},
		"loop < 1 > 1; loop 2ms <3-4 >4,3": {
			Loop{From: []int{0}, To: []int{0}},
			Loop{From: []int{2, 3}, To: []int{3, 2}, Delay: 2 * time.Millisecond},
		},
		`record "/a b;\"<.wav" 16bit < 1 , 1 - 3`:  {Recorder{Path: `/a b;"<.wav`, Bits: 16, From: []int{0, 0, 1, 2}}},
		"card hw:0 5ms < -,-,1":                    {&Card{Device: "hw:0", Latency: 5 * time.Millisecond, From: []int{-1, -1, 0}}},
		"card hw:Loopback,1 > 1-64":                {&Card{Device: "hw:Loopback,1", To: all()}},
		`card "hw:0" > -,2; tone 1Hz -1dB > -,-,1`: {&Card{Device: "hw:0", To: []int{-1, 1}}, Tone{Frequency: 1, Level: -1, To: []int{-1, -1, 0}}},
	} {
		got, err := ParsePorts(text)
		if diff := cmp.Diff(want, got, samePorts); diff != "" || err != nil {
			t.Errorf("ParsePorts(%q): %v (-want +got):\n%s", text, err, diff)
		}
	}
}

func all() []int {
	var c []int
	for i := range driver.MaxChannels {
		c = append(c, i)
	}
	return c
}

func TestParsePortsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"sine 1kHz > 1":                     `there is no port "sine"; there are tone`,
		"tone 997Hz -20dB":                  `tone: ">" and the channels to fill are missing`,
		"tone 997 -20dB > 1":                `"997" is not a number from 0.001Hz to 192000Hz`,
		"tone NaNHz -20dB > 1":              `"NaNHz" is not a number`,
		"tone 997Hz 3dB > 1":                `"3dB" is not a number from -200dB to 0dB`,
		"tone 997Hz > 1":                    "tone: too little is said of it",
		"tone 997Hz -3dB loud > 1":          `tone: "loud" is too much`,
		"tone 997Hz -3dB > 1 < 2":           `tone takes nothing, it cannot have "<"`,
		"tone 997Hz -3dB > 1 > 2":           `tone: ">" twice`,
		"tone 997Hz -3dB > 0":               `tone >: "0" is not a channel from 1 to 64`,
		"tone 997Hz -3dB > 2-1":             `"2-1" is not a channel`,
		"tone 997Hz -3dB > 1-65":            `"1-65" is not a channel`,
		"tone 997Hz -3dB > 1-99999999999":   "is not a channel",
		"tone 997Hz -3dB > 1,":              `"" is not a channel`,
		"tone 997Hz -3dB > 1 1":             `"1 1" is not`,
		"record /x.wav > 1":                 `record: "<" and the channels to take from are missing`,
		"record /x.wav 20bit < 1":           `"20bit" is not 16bit, 24bit or 32bit`,
		"record /x.wav < 1-64,1":            "more than 64 channels",
		"loop < 1-2 > 1":                    "loop: 2 channels cannot go to 1",
		"loop 1ns < 1 > 1":                  `"1ns" is not a time from 2ms to 200ms`,
		"card hw:0":                         `card: neither ">" nor "<"`,
		"card default > 1":                  `"default" is not the name of a card`,
		"card hw:0 1s > 1":                  `card: "1s" is not a time`,
		"wav \"/x.wav > 1":                  "a quotation mark without its end",
		"wav /x.wav > 1; tone 1Hz 0dB > 1":  `channel 1 is filled twice: by "wav /x.wav > 1" and "tone 1Hz 0dB > 1"`,
		"tone 1Hz 0dB > 1,1":                "channel 1 is filled twice",
		"> 1":                               `there is no port ">"`,
		strings.Repeat("record x < 1;", 65): "more than 64 ports",
	} {
		_, err := ParsePorts(text)
		if !errors.Is(err, driver.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePorts(%.60q) = %v; want %q", text, err, want)
		}
	}
}

// What ParsePorts makes, it makes again of the names.
func FuzzParsePorts(f *testing.F) {
	f.Add("tone 997Hz -20dB > 1-2; wav /x.wav > 3-4\nrecord \"/y z.wav\" 24bit < 1,-,2; card hw:CARD=UAC2Gadget 5ms > 5 < 1-2; loop < 1 > 9")
	f.Add("tone 1e3Hz -0dB > 64-64;;\r\n record \"\" < -")
	f.Add(`wav "\xff;\u00e4" > 1`)
	f.Fuzz(func(t *testing.T, text string) {
		ports, err := ParsePorts(text)
		if err != nil {
			if !errors.Is(err, driver.ErrInvalid) {
				t.Errorf("%v", err)
			}
			return
		}
		var names []string
		for _, p := range ports {
			names = append(names, p.Name())
		}
		again, err := ParsePorts(strings.Join(names, "; "))
		if err != nil {
			t.Fatalf("%q: %v", names, err)
		}
		if diff := cmp.Diff(ports, again, samePorts); diff != "" {
			t.Errorf("%q is other ports (-want +got):\n%s", names, diff)
		}
	})
}

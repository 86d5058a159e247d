package board

import "time"

// ReleasePath is where an image says what it is, as JSON of Release.
const ReleasePath = "/etc/aes67os.json"

// ModprobePath is the program that the kernel starts to load a module. It is not
// where the kernel looks by itself: it would start it again and again while it boots,
// for what is not there, before there is an init to say so.
const ModprobePath = "/bin/modprobe"

// DataDir is where an appliance has its data partition.
const DataDir = "/data"

// Where aes67d finds its files on an appliance: what it is set up with as long as its
// user has not changed anything, and its directories below DataDir.
const (
	AudioDefaultsPath = "/etc/aes67d.conf"
	AudioConfigDir    = "config/aes67d"
	AudioStateDir     = "state/aes67d"
)

// ModuleSuffix is behind the name of a kernel module that is packed with LZ4.
const ModuleSuffix = ".lz4"

// Release is what the builder tells init about the image it is in.
type Release struct {
	Board   string    `json:"board"`
	Version string    `json:"version"`
	Time    time.Time `json:"time"`
	// Debug tells that the image has a root shell on its console.
	Debug bool `json:"debug,omitempty"`
	// RavennaModule is the name of the prebuilt kernel module packed in, if any.
	RavennaModule string `json:"ravenna_module,omitempty"`
}

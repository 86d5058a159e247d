package board

// SettingKind is how a setting is made and read back.
type SettingKind string

// The kinds of settings.
const (
	// Sysctl is a file below /proc/sys, named with dots.
	Sysctl SettingKind = "sysctl"
	// Sysfs is a shell pattern of files; every one that exists is set. None
	// existing means that the machine does not have what is to be set.
	Sysfs SettingKind = "sysfs"
	// Latency bounds the time that a sleeping CPU may take to wake, in µs. It
	// holds while init keeps /dev/cpu_dma_latency open.
	Latency SettingKind = "latency"
	// AudioCPU keeps one core free of interrupts and of all programs but aes67d,
	// on machines with Value cores or more.
	AudioCPU SettingKind = "audio-cpu"
)

// Setting is one thing to set for steady audio.
type Setting struct {
	Kind SettingKind
	// Name is the sysctl's name or the files' pattern, and what people see.
	Name  string
	Value string
	// Why says in a few words what it is good for.
	Why string
}

// commonTuning is what every board wants.
func commonTuning() []Setting {
	return []Setting{
		{Sysctl, "kernel.sched_rt_runtime_us", "1000000", "real-time threads are never throttled"},
		{Sysctl, "kernel.perf_cpu_time_max_percent", "0", "profiling never interrupts audio"},
		{Sysctl, "kernel.timer_migration", "0", "timers fire on the core that set them"},
		{Sysctl, "net.ipv4.igmp_max_memberships", "66", "64 sinks, each in a multicast group of its own, and PTP"},
		{Sysctl, "net.core.rmem_max", "8388608", "receive buffers as large as a daemon asks for"},
		{Sysctl, "net.core.wmem_max", "8388608", "send buffers as large as a daemon asks for"},
		{Sysctl, "net.core.rmem_default", "1048576", "a burst of packets waits instead of being lost"},
		{Sysctl, "net.core.netdev_max_backlog", "4000", "a burst from the network card waits instead of being lost"},
		{Sysfs, "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor", "performance", "the clock of the CPU does not fall between packets"},
		{Latency, "/dev/cpu_dma_latency", "10", "a sleeping core wakes within 10 µs"},
		{AudioCPU, "core kept for audio", "4", "nothing else runs where packets are sent"},
	}
}

using Xunit;

// Tests here need pids to stay free between a process's end and its restore, and some move the counter that pids come
// from (ns_last_pid). Side by side they take each other's pids.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

using PSCrac.Common;
using PSCrac.Procfs;

namespace PSCrac.Preflight.Subjects;

/// <summary>The cause of a finding about descriptors.</summary>
internal static class DescriptorCause
{
    /// <summary>A descriptor of a process, where it is what is counted.</summary>
    /// <param name="things">What is counted, in the plural.</param>
    /// <param name="descriptor">This one.</param>
    /// <param name="place">Where it was met; null where the process is all there is to say.</param>
    internal static FindingCause Of(string things, ProcessDescriptor descriptor, string? place = null) =>
        new(things, $"descriptor {descriptor.Number}", place) { Key = descriptor };
}

using PSCrac.Common;
using PSCrac.Procfs;

namespace PSCrac.Preflight.Subjects;

/// <summary>The cause of a finding about descriptors.</summary>
internal static class DescriptorCause
{
    /// <summary>The cause if the counted items are descriptors.</summary>
    /// <param name="things">The counted items, in the plural.</param>
    /// <param name="descriptor">This one.</param>
    /// <param name="place">A detail of the place; null for none.</param>
    internal static FindingCause Of(string things, ProcessDescriptor descriptor, string? place = null) =>
        new(things, $"descriptor {descriptor.Number}", place) { Key = descriptor };
}

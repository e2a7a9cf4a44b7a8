using Xunit;

namespace PSCrac.Tests.Support;

/// <summary>Tests that look at this whole process (its children, descriptors, threads) and so run beside no other.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneCollection
{
    /// <summary>The collection's name.</summary>
    public const string Name = "alone";
}

namespace PSCrac.Images.Operations;

/// <summary>Which images of a group are not needed any more. Of several conditions, all must hold for an image.</summary>
internal sealed record RetentionRule
{
    /// <summary>The number of newest images to keep that can be restored; null for no such condition.</summary>
    internal int? KeepLast { get; init; }

    /// <summary>The minimum age of an image that is removed; null for no such condition.</summary>
    internal TimeSpan? OlderThan { get; init; }

    /// <summary>
    /// The total size that the group's images may have, in bytes: of the images that the other conditions leave, the oldest are removed
    /// until the rest is not larger. Null for no such condition.
    /// </summary>
    internal long? MaximumSize { get; init; }
}

/// <summary>The result of a rule.</summary>
/// <param name="Removed">The images to remove, in the order in which they can be: children before their parents.</param>
/// <param name="Kept">The images that the rule would have removed, and why they stay; sentences.</param>
internal sealed record RetentionSelection(IReadOnlyList<CracImage> Removed, IReadOnlyList<(CracImage Image, string Reason)> Kept);

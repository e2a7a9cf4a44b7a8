namespace PSCrac.Common;

/// <summary>What an operation tells of itself at its boundary, once for all that may fail in it.</summary>
internal static class OperationContext
{
    extension(CracOperation operation)
    {
        /// <summary>The operation's name in a message or a file's name, such as "checkpoint".</summary>
        internal string Name => operation.ToString().ToLowerInvariant();
    }

    /// <summary>The items of an operation that finds them one by one, with the operation's context on what it throws.</summary>
    internal static IEnumerable<T> WithContext<T>(this IEnumerable<T> items, CracOperation operation, string imagePath)
    {
        using IEnumerator<T> each = items.GetEnumerator();
        while (MoveNext(each, operation, imagePath))
        {
            yield return each.Current;
        }
    }

    private static bool MoveNext<T>(IEnumerator<T> each, CracOperation operation, string imagePath)
    {
        try
        {
            return each.MoveNext();
        }
        catch (CracException e)
        {
            e.AddContext(operation, processId: null, imagePath);
            throw;
        }
    }
}

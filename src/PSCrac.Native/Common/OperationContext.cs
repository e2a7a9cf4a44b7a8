namespace PSCrac.Common;

/// <summary>Adds the context of an operation to its failures, once at its boundary.</summary>
internal static class OperationContext
{
    extension(CracOperation operation)
    {
        /// <summary>The operation's name in a message or a file's name, such as "checkpoint".</summary>
        internal string Name => operation.ToString().ToLowerInvariant();
    }

    /// <summary>Enumerates the items of an operation, and adds the operation's context to exceptions.</summary>
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

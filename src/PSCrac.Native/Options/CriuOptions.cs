using System.Collections;
using System.Globalization;
using PSCrac.Interop;

namespace PSCrac.Options;

/// <summary>
/// The options that a checkpoint and its restore share. Names are criu's (criu(8)). A null means that the caller has
/// not given the option: PSCrac then chooses, or repeats at the restore what was chosen at the checkpoint.
/// </summary>
public abstract record CriuOptions
{
    private Dictionary<OptionRow, object> _values = [];

    /// <summary>--shell-job: the process belongs to a terminal's session that is not part of the tree.</summary>
    public bool? ShellJob { get => (bool?)Get(OptionTable.ShellJob); init => Set(OptionTable.ShellJob, value); }

    /// <summary>--tcp-established: keep open TCP connections. A killing checkpoint leaves them locked until the restore.</summary>
    public bool? TcpEstablished { get => (bool?)Get(OptionTable.TcpEstablished); init => Set(OptionTable.TcpEstablished, value); }

    /// <summary>--tcp-close: leave open TCP connections out; the restored process finds them closed.</summary>
    public bool? TcpClose { get => (bool?)Get(OptionTable.TcpClose); init => Set(OptionTable.TcpClose, value); }

    /// <summary>--file-locks: keep the file locks that are held.</summary>
    public bool? FileLocks { get => (bool?)Get(OptionTable.FileLocks); init => Set(OptionTable.FileLocks, value); }

    /// <summary>--link-remap: give open unlinked files with other names a helper link. The image can then be restored once.</summary>
    public bool? LinkRemap { get => (bool?)Get(OptionTable.LinkRemap); init => Set(OptionTable.LinkRemap, value); }

    /// <summary>--ext-unix-sk: leave out unix sockets whose other end is outside the tree.</summary>
    public bool? ExternalUnixSocket { get => (bool?)Get(OptionTable.ExternalUnixSocket); init => Set(OptionTable.ExternalUnixSocket, value); }

    /// <summary>
    /// Any option of criu by its long name without dashes, for its configuration file. True stands for an option without a value,
    /// false for leaving it out, a list for an option given more than once. What is given here overrides the properties.
    /// </summary>
    public IReadOnlyDictionary<string, object?> CriuOption { get; init; } = new Dictionary<string, object?>();

    /// <summary>The operation that these are the options of.</summary>
    internal abstract OptionScope Scope { get; }

    /// <summary>The options that are on, or have a value, by criu's long names, as the manifest keeps them.</summary>
    internal Dictionary<string, object> ToNames()
    {
        var names = new Dictionary<string, object>(StringComparer.Ordinal);
        foreach ((string name, object? value) in CriuOption)
        {
            names[name] = value ?? true;
        }

        foreach (OptionRow row in OptionTable.Rows)
        {
            if (_values.TryGetValue(row, out object? value) && value is not false)
            {
                // What is given in criu's own words overrides it.
                names.TryAdd(row.Name, value);
            }
        }

        return names;
    }

    /// <summary>Refuses what contradicts itself.</summary>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>, with what to leave out.</exception>
    internal virtual void RequireConsistent()
    {
        if (TcpEstablished == true && TcpClose == true)
        {
            throw new CracException(
                CracReason.OptionRefused,
                "-TcpEstablished keeps open connections, and -TcpClose leaves them out.",
                "Leave out -TcpClose to keep the connections, or -TcpEstablished to have the process find them closed.");
        }
    }

    /// <summary>The value of an option; null where it was not given, or is none that criu will take.</summary>
    internal object? Get(OptionRow row) => CriuOption.TryGetValue(row.Name, out object? named) ? row.Value.TryRead(named) : _values.GetValueOrDefault(row);

    /// <summary>Sets the options that libcriu has setters for, in a request to criu.</summary>
    internal void SetIn(CriuOptionsHandle request)
    {
        foreach (OptionRow row in OptionTable.Rows)
        {
            if (row.Value.HasSetter && row.Scope.HasFlag(Scope))
            {
                row.Value.Set(request, _values.GetValueOrDefault(row));
            }
        }
    }

    /// <summary>The options that are given to criu in its configuration file: those by name, and those without a setter.</summary>
    internal IEnumerable<KeyValuePair<string, object?>> InConfigurationFile() =>
        CriuOption.Concat(_values.Where(each => !each.Key.Value.HasSetter && !CriuOption.ContainsKey(each.Key.Name))
            .Select(static each => KeyValuePair.Create(each.Key.Name, (object?)each.Value)));

    /// <summary>Whether an option is given, and not with false.</summary>
    internal bool Has(string name) => OptionTable.Find(name) is { } row && Get(row) is { } value
        ? value is not false
        : CriuOption.TryGetValue(name, out object? given) && given is not false;

    /// <summary>An option's value as text, of several joined by commas; null where it was not given, or has none.</summary>
    internal string? TextOf(string name)
    {
        object? value = CriuOption.TryGetValue(name, out object? given) ? given : OptionTable.Find(name) is { } row ? Get(row) : null;
        return value switch
        {
            null or bool => null,
            IEnumerable list and not string => string.Join(',', list.Cast<object?>()),
            _ => Convert.ToString(value, CultureInfo.InvariantCulture),
        };
    }

    /// <summary>The same options with another value of one.</summary>
    /// <param name="row">Which one.</param>
    /// <param name="value">Its value as <see cref="OptionValue.Read"/> gives it; null for not given.</param>
    internal CriuOptions With(OptionRow row, object? value)
    {
        CriuOptions changed = this with { };
        changed.Set(row, value);
        return changed;
    }

    // A copy of a record has the values of the one it was made of.
    private protected void Set(OptionRow row, object? value)
    {
        _values = new Dictionary<OptionRow, object>(_values);
        if (value is null)
        {
            _values.Remove(row);
        }
        else
        {
            _values[row] = value;
        }
    }
}

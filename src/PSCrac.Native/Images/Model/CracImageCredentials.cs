namespace PSCrac;

/// <summary>The credentials of a process in an image.</summary>
public sealed class CracImageCredentials
{
    internal CracImageCredentials(CracImageRecord creds)
    {
        Details = creds;
        Groups = Array.ConvertAll(creds.GetItems("groups"), static group => group is uint id ? id : 0);
    }

    /// <summary>The real user id.</summary>
    public uint UserId => (uint)Details.GetNumber("uid");

    /// <summary>The real group id.</summary>
    public uint GroupId => (uint)Details.GetNumber("gid");

    /// <summary>The effective user id.</summary>
    public uint EffectiveUserId => (uint)Details.GetNumber("euid");

    /// <summary>The effective group id.</summary>
    public uint EffectiveGroupId => (uint)Details.GetNumber("egid");

    /// <summary>The supplementary groups' ids.</summary>
    public IReadOnlyList<uint> Groups { get; }

    /// <summary>The effective capabilities; bit N is capability N (capabilities(7)).</summary>
    public ulong EffectiveCapabilities => GetCapabilities("cap_eff");

    /// <summary>The permitted capabilities, with the same bits as <see cref="EffectiveCapabilities"/>.</summary>
    public ulong PermittedCapabilities => GetCapabilities("cap_prm");

    /// <summary>Whether the process cannot gain privileges by executing a program (PR_SET_NO_NEW_PRIVS).</summary>
    public bool NoNewPrivileges => Details.GetNumber("no_new_privs") != 0;

    /// <summary>The profile of the Linux security module; null if the image has none.</summary>
    public string? SecurityProfile => Details.GetText("lsm_profile");

    /// <summary>The decoded credentials entry.</summary>
    public CracImageRecord Details { get; }

    /// <inheritdoc/>
    public override string ToString() => $"uid={UserId} gid={GroupId}";

    private ulong GetCapabilities(string name)
    {
        object[] words = Details.GetItems(name);
        ulong low = words.Length > 0 && words[0] is uint first ? first : 0;
        ulong high = words.Length > 1 && words[1] is uint second ? second : 0;
        return low | (high << 32);
    }
}

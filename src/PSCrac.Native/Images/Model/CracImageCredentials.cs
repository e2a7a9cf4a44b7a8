namespace PSCrac;

/// <summary>Whose rights a process of an image had.</summary>
public sealed class CracImageCredentials
{
    internal CracImageCredentials(CracImageRecord creds)
    {
        Details = creds;
        Groups = Array.ConvertAll(creds.Items("groups"), static group => group is uint id ? id : 0);
    }

    /// <summary>The real user id.</summary>
    public uint UserId => (uint)Details.Number("uid");

    /// <summary>The real group id.</summary>
    public uint GroupId => (uint)Details.Number("gid");

    /// <summary>The effective user id.</summary>
    public uint EffectiveUserId => (uint)Details.Number("euid");

    /// <summary>The effective group id.</summary>
    public uint EffectiveGroupId => (uint)Details.Number("egid");

    /// <summary>The supplementary groups' ids.</summary>
    public IReadOnlyList<uint> Groups { get; }

    /// <summary>The effective capabilities: bit N is the kernel's capability number N.</summary>
    public ulong EffectiveCapabilities => Capabilities("cap_eff");

    /// <summary>The permitted capabilities, as <see cref="EffectiveCapabilities"/>.</summary>
    public ulong PermittedCapabilities => Capabilities("cap_prm");

    /// <summary>Whether the process could not gain rights by executing a program.</summary>
    public bool NoNewPrivileges => Details.Number("no_new_privs") != 0;

    /// <summary>The security module's profile; null where criu noted none.</summary>
    public string? SecurityProfile => Details.Text("lsm_profile");

    /// <summary>All that criu noted.</summary>
    public CracImageRecord Details { get; }

    /// <inheritdoc/>
    public override string ToString() => $"uid={UserId} gid={GroupId}";

    private ulong Capabilities(string name)
    {
        object[] words = Details.Items(name);
        ulong low = words.Length > 0 && words[0] is uint first ? first : 0;
        ulong high = words.Length > 1 && words[1] is uint second ? second : 0;
        return low | (high << 32);
    }
}
